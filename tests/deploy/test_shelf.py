"""Backups by name: which is next, which is newest, which go."""

import os
import re
import time
from pathlib import Path

import pytest

from deploy.backups.shelf import DAY, Shelf, how_many, shelf_options
from heart_reader.errors import ConfigError


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Three whole backups, one that isn't, one that a user named."""
    for name in ("20260101-000000", "20260102-000000", "20260103-000000", "before-the-move"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "20260104-000000").mkdir()
    return Shelf(str(tmp_path))


def names(shelf: Shelf) -> list[str]:
    return sorted(path.name for path in shelf.folder.iterdir())


def test_the_next_one_has_the_time_in_its_name(shelf: Shelf):
    assert re.fullmatch(time.strftime("%Y%m%d-%H%M", time.gmtime()) + r"\d\d", shelf.next().name)


def test_the_newest_is_the_last_that_is_whole(shelf: Shelf):
    assert shelf.newest().name == "20260103-000000"


def test_the_oldest_go_and_none_that_a_user_named(shelf: Shelf):
    assert [old.name for old in shelf.rotate(2)] == ["20260101-000000"]
    assert names(shelf) == [
        "20260102-000000", "20260103-000000", "20260104-000000", "before-the-move"
    ]  # fmt: skip


@pytest.mark.parametrize("keep", [0, 3, 7])
def test_nothing_goes_that_is_to_stay(shelf: Shelf, keep: int):
    before = names(shelf)
    assert shelf.rotate(keep) == [] and names(shelf) == before


def test_what_died_goes_after_a_day(shelf: Shelf):
    for name, age in (("a.partial", 2 * DAY), ("b.partial", 0.0)):
        (shelf.folder / name).mkdir()
        os.utime(shelf.folder / name, times=(time.time() - age,) * 2)
    shelf.rotate(7)
    assert [name for name in names(shelf) if "partial" in name] == ["b.partial"]


def test_a_shelf_without_backups_says_so(tmp_path: Path):
    with pytest.raises(ConfigError, match=f"there is no backup in {tmp_path}"):
        Shelf(str(tmp_path)).newest()


@pytest.mark.parametrize("word", ["-1", "many", "1.5", ""])
def test_keep_is_a_number(word: str):
    with pytest.raises(ConfigError, match="KEEP must be a number of backups, 0 for all"):
        how_many(word)


def test_a_folder_alone_is_the_one_that_is_meant():
    assert shelf_options(["x"], "to", ())["to"] == "x"
    assert shelf_options(["--folder", "f"], "from", ()) == {"folder": "f", "from": "latest"}
    with pytest.raises(ConfigError, match=r"unknown option --kep, did you mean 'keep'\?"):
        shelf_options(["--kep", "1"], "to", ("keep",))
