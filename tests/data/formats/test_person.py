"""Age and sex out of comments: right, or unknown."""

import math

import numpy as np
import pytest

from heart_reader.data.formats.person import age_of, checked_age, sex_of
from heart_reader.errors import DataError

NAN = math.nan


@pytest.mark.parametrize(
    ("lines", "age"),
    [
        (["Age: 63"], 63),
        (["age: 63.5"], 63.5),
        (["<age>: 71 <sex>: F"], 71),
        (["Age: 48  Gender: M"], 48),
        (["Age: 6 months"], 0.5),
        (["Age: 006M"], 0.5),
        (["age = 063Y"], 63),
        (["Age: 63 M"], 63),
        (["Age: 30 days"], 30 / 365.25),
        (["Age: 300"], 90),
        (["Age: >89"], 90),
        (["Age: 90+"], 90),
        (["Age: 0"], 0),
        (["69 M 1085 1629 x1"], 69),
        (["Age: -1"], NAN),
        (["Age: 121"], NAN),
        (["Age:"], NAN),
        (["Age:", "1500 mg aspirin"], NAN),
        (["Age: 15 mg"], NAN),
        (["Age: NaN"], NAN),
        (["average: 20"], NAN),
        (["Dosage: 20"], NAN),
        (["Age: 2020-05-05"], NAN),
        ([], NAN),
    ],
)
def test_age(lines, age):
    np.testing.assert_equal(age_of(lines), age)


@pytest.mark.parametrize(
    ("lines", "sex"),
    [
        (["Sex: Female"], 1),
        (["Sex: M"], 0),
        (["gender = male"], 0),
        (["<age>: 71 <sex>: F"], 1),
        (["69 M 1085 1629 x1"], 0),
        (["Sex:", "Medication: none"], NAN),
        (["Sex: Medication: none"], NAN),
        (["Sex: Unknown"], NAN),
        (["Sex: 1"], NAN),
        (["Essex: F"], NAN),
    ],
)
def test_sex(lines, sex):
    np.testing.assert_equal(sex_of(lines), sex)


@pytest.mark.parametrize("years", [-5, 1e9, 120.1, math.inf, NAN])
def test_an_age_that_nobody_has_is_refused(years):
    with pytest.raises(DataError, match="an age must lie from 0 to 120 years, but is"):
        checked_age(years)


def test_the_legal_edges_of_an_age():
    assert [checked_age(years) for years in (0, 120, 300)] == [0, 120, 90]
