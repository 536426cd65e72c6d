"""What is asked about: windows that cover a record, and the mean of what is said of them."""

import numpy as np
import pytest
import torch

from heart_reader.models.predicting import probabilities_and_vectors
from heart_reader.models.views import WHOLE, Views, candidates
from tests.models.configs import published


def parts_of(views: Views, n_times: int) -> list[tuple[float, list[int]]]:
    x = torch.arange(n_times)[None, None]
    return [(share, part[0, 0].tolist()) for share, part in views.of(x)]


def test_four_windows_tile_a_record():
    found = parts_of(Views(4, False), 1000)
    assert [share for share, _ in found] == [0.25] * 4
    assert [part[0] for _, part in found] == [0, 250, 500, 750]
    assert np.concatenate([part for _, part in found]).tolist() == list(range(1000))


def test_windows_that_do_not_divide_a_record_reach_from_its_start_to_its_end():
    found = [part for _, part in parts_of(Views(3, False), 11)]
    assert found == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]


def test_beside_windows_the_whole_counts_half():
    (whole, record), *windows = parts_of(Views(4, True), 8)
    assert (whole, record) == (0.5, list(range(8)))
    assert [share for share, _ in windows] == [0.125] * 4


def test_what_each_says_in_words():
    assert [str(views) for views in candidates(4).values()] == [
        "the whole record",
        "the mean over 4 windows",
        "the whole record and the mean over 4 windows, half each",
    ]


@pytest.mark.parametrize(("windows", "whole"), [(1, True), (-1, True), (0, False)])
def test_nothing_and_one_window_are_refused(windows, whole):
    assert len(Views(windows, whole).problems()) == 1
    assert Views(4, False).problems() == WHOLE.problems() == []


def test_the_answer_is_the_mean_of_the_answers_to_each_window_normalised_alone():
    torch.manual_seed(0)
    model = published("se_resnet1d", 4).eval()
    signals = np.random.default_rng(0).normal(size=(3, 12, 400)).astype(np.float32)
    signals += np.arange(400, dtype=np.float32) / 40  # windows of different means
    encoded = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    present = np.array([True, False, True])

    def centred(x, lengths):
        return x - x.mean(-1, keepdim=True)

    def said(views, x=signals):
        return probabilities_and_vectors(model, centred, x, encoded, present, views)[0]

    alone = [said(WHOLE, signals[..., i : i + 100]) for i in range(0, 400, 100)]
    mean = np.mean(alone, axis=0)
    np.testing.assert_allclose(said(Views(4, False)), mean, atol=1e-6)
    both = (mean + said(WHOLE)) / 2
    np.testing.assert_allclose(said(Views(4, True)), both, atol=1e-6)
    assert np.abs(mean - said(WHOLE)).max() > 1e-5
