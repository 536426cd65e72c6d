"""Coercion by annotation, and every problem at once, word for word."""

from dataclasses import dataclass
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from heart_reader.config.strict import flatten, parse, to_dict
from heart_reader.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float
    sizes: tuple[int, ...]
    pair: tuple[float, float]

    def problems(self) -> list[str]:
        return [f"rate must be positive, but is {self.rate}"] if self.rate <= 0 else []


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    limit: int | None
    fast: bool
    mode: Literal["a", "b"]
    inner: Inner


@dataclass(frozen=True)
class Refusing:
    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"refusing.n must be at least 1, but is {self.n}")


@dataclass(frozen=True)
class Two:
    refusing: Refusing
    inner: Inner


def tree(**changes: object) -> dict[str, object]:
    inner = {"rate": 0.5, "sizes": [1, 2], "pair": [0, 1]}
    flat = {"name": "x", "count": 3, "limit": None, "fast": True, "mode": "a", "inner": inner}
    return flat | changes


def inner(**changes: object) -> dict[str, object]:
    return {"rate": 0.5, "sizes": [1, 2], "pair": [0, 1]} | changes


def problems_of(value: dict[str, object], kind: type = Outer) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(value, kind)
    return str(raised.value).splitlines()


def test_strings_become_what_the_annotation_says():
    typed = parse(
        tree(
            count="4",
            limit="7",
            fast="False",
            mode="b",
            inner={"rate": "1e-3", "sizes": "[3, 4, 5]", "pair": [1, "2.5"]},
        ),
        Outer,
    )
    assert typed == Outer("x", 4, 7, False, "b", Inner(0.001, (3, 4, 5), (1.0, 2.5)))
    assert isinstance(typed.inner.pair[0], float)


@pytest.mark.parametrize("word", [None, "none", "null"])
def test_null_is_legal_where_the_annotation_has_it(word):
    assert parse(tree(limit=word), Outer).limit is None
    assert problems_of(tree(count=word)) == [
        f"config key 'count' must be a whole number, but is {word!r}"
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"count": 1.5}, "config key 'count' must be a whole number, but is 1.5"),
        ({"count": True}, "config key 'count' must be a whole number, but is True"),
        ({"count": "1e3"}, "config key 'count' must be a whole number, but is '1e3'"),
        ({"limit": "x"}, "config key 'limit' must be a whole number or null, but is 'x'"),
        ({"fast": 1}, "config key 'fast' must be true or false, but is 1"),
        ({"fast": "yes"}, "config key 'fast' must be true or false, but is 'yes'"),
        ({"mode": "c"}, "config key 'mode' must be one of 'a', 'b', but is 'c'"),
        ({"mode": ["a"]}, "config key 'mode' must be one of 'a', 'b', but is ['a']"),
        ({"name": 3}, "config key 'name' must be text, but is 3"),
        ({"inner": 3}, "config key 'inner' is a section, but is 3"),
        (
            {"inner": inner(rate="nan")},
            "config key 'inner.rate' must be a number, but is 'nan'",
        ),
        (
            {"inner": inner(rate=False)},
            "config key 'inner.rate' must be a number, but is False",
        ),
        (
            {"inner": inner(sizes="3")},
            "config key 'inner.sizes' must be a list of int, but is '3'",
        ),
        (
            {"inner": inner(sizes="[3, 4")},
            "config key 'inner.sizes' must be a list of int, but is '[3, 4'",
        ),
        (
            {"inner": inner(pair=[1])},
            "config key 'inner.pair' must be a list of 2 float, but is [1]",
        ),
        (
            {"inner": inner(rate=0)},
            "config key inner.rate must be positive, but is 0.0",
        ),
    ],
)
def test_each_illegal_value_is_named_with_the_rule(changes, problem):
    assert problems_of(tree(**changes)) == [problem]


def test_an_unknown_key_gets_the_nearest_legal_one():
    assert problems_of(tree(inner=inner(raet=1))) == [
        "unknown config key 'inner.raet', did you mean 'inner.rate'?"
    ]
    assert problems_of(tree(zzzzzz=1)) == [
        "unknown config key 'zzzzzz' (there are count, fast, inner, limit, mode, name)"
    ]


def test_a_missing_key_is_named():
    value = tree()
    del value["fast"]
    assert problems_of(value) == ["config key 'fast' is missing"]


def test_all_problems_come_together():
    value = tree(count="x", mode="c", cuont=1, inner=inner(rate=-1))
    assert problems_of(value) == [
        "unknown config key 'cuont', did you mean 'count'?",
        "config key 'count' must be a whole number, but is 'x'",
        "config key 'mode' must be one of 'a', 'b', but is 'c'",
        "config key inner.rate must be positive, but is -1.0",
    ]


def test_a_section_that_refuses_to_be_made_hides_no_other_problem():
    assert problems_of({"refusing": {"n": 0}, "inner": inner(rate=0)}, Two) == [
        "refusing.n must be at least 1, but is 0",
        "config key inner.rate must be positive, but is 0.0",
    ]


outers = st.builds(
    Outer,
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    st.integers(),
    st.none() | st.integers(),
    st.booleans(),
    st.sampled_from(["a", "b"]),
    st.builds(
        Inner,
        st.floats(1e-6, 1e6),
        st.lists(st.integers(), max_size=3).map(tuple),
        st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    ),
)


@given(outers)
def test_what_yaml_writes_is_read_back(config):
    assert parse(yaml.safe_load(yaml.safe_dump(to_dict(config))), Outer) == config


def test_flat_keys_are_dotted_and_lists_stay_whole():
    assert flatten(tree()) == {
        "name": "x",
        "count": 3,
        "limit": None,
        "fast": True,
        "mode": "a",
        "inner.rate": 0.5,
        "inner.sizes": [1, 2],
        "inner.pair": [0, 1],
    }
