"""What is done of a long call survives a kill, and is only gone on with by the same call."""

from pathlib import Path

import pytest

from heart_reader.errors import DataError
from heart_reader.reading.many.journal import Journal

CHUNKS = [[{"record": "a", "p": 0.1}, {"record": "b", "p": None}], [{"record": "c", "p": 1 / 3}]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "x", {"model": "m", "fs": None})
    assert journal.begin() == []
    for chunk in CHUNKS:
        journal.add(chunk)
    return journal.path


def test_the_same_call_finds_what_is_done(path):
    journal = Journal(path, {"model": "m", "fs": None})
    assert journal.begin() == ["a", "b", "c"]
    assert list(journal.chunks()) == CHUNKS


def test_half_a_line_is_dropped_wherever_it_was_cut(path):
    content = path.read_bytes()
    ends = [k + 1 for k, byte in enumerate(content) if byte == ord("\n")]
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        journal = Journal(path, {"model": "m", "fs": None})
        n_whole = max(sum(end <= size for end in ends) - 1, 0)
        assert journal.begin() == [row["record"] for rows in CHUNKS[:n_whole] for row in rows]
        journal.add([{"record": "z"}])
        assert list(journal.chunks()) == [*CHUNKS[:n_whole], [{"record": "z"}]]


@pytest.mark.parametrize("call", [{"model": "n", "fs": None}, {"model": "m", "fs": 500.0}])
def test_another_call_is_refused_with_what_differs(path, call):
    with pytest.raises(DataError, match=r"was begun with (model m|fs None), this call has"):
        Journal(path, call).begin()
