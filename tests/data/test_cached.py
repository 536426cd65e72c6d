"""Arrays in the cache: read, taken over from earlier versions, and made anew where damaged.

Covers: heart_reader.data.cached.
"""

from pathlib import Path

import numpy as np
import pytest

from heart_reader.data.cached import Array, cached_array

VALUES = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)


def never() -> Array:
    raise AssertionError("it is there already")


def test_it_is_made_once(tmp_path: Path):
    path = tmp_path / "features" / "a.npz"
    np.testing.assert_array_equal(cached_array(path, lambda: VALUES), VALUES)
    np.testing.assert_array_equal(cached_array(path, never), VALUES)
    assert [each.name for each in path.parent.iterdir()] == ["a.npz"]


def test_one_of_an_earlier_version_is_taken_over(tmp_path: Path):
    np.save(tmp_path / "a.npy", VALUES)
    for _ in range(2):
        np.testing.assert_array_equal(cached_array(tmp_path / "a.npz", never), VALUES)
    assert [each.name for each in tmp_path.iterdir()] == ["a.npz"]


# What lies behind 0.95 is the archive's directory, with dates and the like.
@pytest.mark.parametrize("place", [0.0, 0.02, 0.3, 0.6, 0.9])
def test_one_flipped_bit_is_noticed(tmp_path: Path, place: float, capsys):
    path = tmp_path / "a.npz"
    cached_array(path, lambda: VALUES)
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 4
    path.write_bytes(data)
    np.testing.assert_array_equal(cached_array(path, lambda: VALUES + 1)[0], VALUES[0] + 1)
    assert capsys.readouterr().err == f"{path} is damaged: made anew\n"
    np.testing.assert_array_equal(cached_array(path, never), VALUES + 1)


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
@pytest.mark.parametrize("length", [0, 60, 4000])
def test_one_that_was_cut_short_is_made_anew(tmp_path: Path, name: str, length: int):
    cached_array(tmp_path / "a.npz", lambda: VALUES)
    if name == "a.npy":
        (tmp_path / "a.npz").unlink()
        np.save(tmp_path / name, VALUES)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:length])
    np.testing.assert_array_equal(cached_array(tmp_path / "a.npz", lambda: VALUES), VALUES)
