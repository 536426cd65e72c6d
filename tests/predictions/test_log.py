"""Answers that were acknowledged are in the table, once, and the table stays within its bounds.

Covers: heart_reader.predictions.log, heart_reader.predictions.journal,
    heart_reader.predictions.tables, heart_reader.predictions.folders,
    heart_reader.predictions.columns.
"""

import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from heart_reader.errors import DataError
from heart_reader.predictions.columns import NAMES, Answered
from heart_reader.predictions.folders import MOST_SMALL
from heart_reader.predictions.journal import Journal, drop_oldest, waiting
from heart_reader.predictions.log import Log, collect, open_table
from heart_reader.predictions.place import Place
from tests.conftest import REPOSITORY

WRITES = """
import sys
from dataclasses import replace
from pathlib import Path
from heart_reader.predictions.log import Log
from heart_reader.predictions.place import Place
from tests.predictions.test_log import answered
kind, address, journal = sys.argv[1:]
log = Log(Place(kind, address, 10**6, b"", Path(journal)))
for k in range(10**6):
    log.add([answered(k)])
    print(k, flush=True)
"""


def answered(k: int, **changes: object) -> Answered:
    values = {
        "id": f"{k:032x}", "time": 1_700_000_000 + k, "model": "m/1", "digest": "d",
        "role": "answer", "source": "serve", "request": "r", "position": 0, "record": None,
        "probabilities": {"MI": 0.25, "NORM": None}, "labels": ["MI"], "uncertain": [],
        "measured": {"rate_bpm": 61.5}, "quality": "good", "reasons": [], "flags": [],
        "novelty": 0.5, "decade": 60,
    }  # fmt: skip
    return Answered(**(values | changes))


@pytest.fixture(params=["sqlite", "parquet"])
def place(request, tmp_path: Path) -> Place:
    address = "sqlite:///" + str(tmp_path / "log.db")
    if request.param == "parquet":
        address = str(tmp_path / "log")
    return Place(request.param, address, 1_000_000, b"", tmp_path / "journal")


def ids(place: Place) -> list[int]:
    """Of all rows, the newest first."""
    table = open_table(place)
    rows = table.newest("m/1", "answer", 10**9)
    table.close()
    return [int(row["id"], 16) for row in rows]


def test_what_was_acknowledged_before_a_kill_is_there_once(place: Place):
    started = [sys.executable, "-c", WRITES, place.kind, place.address, str(place.journal)]
    process = subprocess.Popen(started, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout is not None
    for _ in range(2_000):
        process.stdout.readline()
    time.sleep(0.1)
    process.kill()
    acknowledged = 2_000 + len(process.stdout.read().split())
    process.wait()
    collect(place)
    found = ids(place)
    assert len(found) == len(set(found))
    assert set(range(acknowledged)) <= set(found)
    assert len(found) <= acknowledged + 1  # one may have been kept and not yet acknowledged
    assert waiting(place.journal) == []


def test_a_row_comes_back_as_it_was(place: Place):
    log = Log(place, background=False)
    log.add([answered(7, record="ab" * 16)])
    log.close()
    table = open_table(place)
    (row,) = table.newest("m/1", "answer", 5)
    assert row == vars(answered(7, record="ab" * 16))
    assert tuple(row) == NAMES


def test_rows_that_are_moved_twice_are_kept_once(place: Place, tmp_path: Path):
    log = Log(place, background=False)
    log.add([answered(k) for k in range(5)])
    log.journal.close()
    (path,) = waiting(place.journal)
    shutil.copy(path, tmp_path / "again")
    collect(place)
    shutil.copy(tmp_path / "again", path)  # as if killed before it was removed
    collect(place)
    assert ids(place) == [4, 3, 2, 1, 0]


def test_windows_are_read_from_the_newest(place: Place):
    log = Log(place, background=False)
    for first in (0, 10):
        log.add([answered(k) for k in range(first, first + 10)])
        log.add([answered(100 + first, role="shadow"), answered(200 + first, model="m/2")])
        log.close()
    table = open_table(place)
    one = table.newest("m/1", "answer", 3)
    two = table.newest("m/1", "answer", 3, skip=3)
    since = table.newest("m/1", "answer", 99, since=1_700_000_018)
    table.close()
    assert [int(row["id"], 16) for row in one + two] == [19, 18, 17, 16, 15, 14]
    assert [int(row["id"], 16) for row in since] == [19, 18]


def test_the_oldest_rows_go_and_it_is_said_once(place: Place, capsys):
    small = Place(place.kind, place.address, 10, b"", place.journal)
    log = Log(small, background=False)
    for first in range(0, 40, 4):
        log.add([answered(k) for k in range(first, first + 4)])
        log.journal.close()
        assert log._move()
    kept = ids(small)
    assert kept == list(range(39, 39 - len(kept), -1)) and 10 <= len(kept) <= 12
    said = capsys.readouterr().err.splitlines()
    assert said == [f"{small} holds 10 answers: from now on the oldest go"]


def test_many_small_parquet_files_become_one(tmp_path: Path):
    place = Place("parquet", str(tmp_path / "log"), 10**6, b"", tmp_path / "journal")
    log = Log(place, background=False)
    for k in range(MOST_SMALL + 1):
        log.add([answered(k)])
        log.close()
    (path,) = (tmp_path / "log").iterdir()
    assert pq.read_metadata(path).num_rows == MOST_SMALL + 1
    assert ids(place) == list(range(MOST_SMALL, -1, -1))


# ---------------------------------------------------------------- what goes wrong


def test_a_table_that_is_away_gets_its_rows_later(tmp_path: Path, capsys):
    (tmp_path / "db").write_text("no folder")
    place = Place("sqlite", f"sqlite:///{tmp_path}/db/log.db", 99, b"", tmp_path / "journal")
    log = Log(place, background=False)
    for k in range(3):
        log.add([answered(k)])
        log.journal.close()
        assert not log._move()
    (tmp_path / "db").unlink()
    assert log._move()
    assert ids(place) == [2, 1, 0]
    away, well = capsys.readouterr().err.splitlines()
    assert away.startswith(f"answers wait in {place.journal}: ") and "can't be written" in away
    assert well.endswith("answers are logged again")


def test_a_log_that_cannot_be_written_takes_no_answer_along(tmp_path: Path, capsys):
    (tmp_path / "journal").write_text("no folder")
    log = Log(Place("sqlite", "sqlite:///x.db", 9, b"", tmp_path / "journal"), background=False)
    log.add([answered(0)])
    log.add([answered(1)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("answers aren't logged: ")


def test_half_a_line_and_foreign_rows_are_left_out(place: Place):
    log = Log(place, background=False)
    log.add([answered(0), answered(1)])
    log.journal.close()
    (path,) = waiting(place.journal)
    path.write_bytes(path.read_bytes() + b'{"id": "x"}\n[1]\n{"id": "2", "ti')
    collect(place)
    assert ids(place) == [1, 0]


def test_a_file_that_is_written_is_left_alone(place: Place):
    log = Log(place, background=False)
    log.add([answered(0)])
    collect(place)
    assert len(waiting(place.journal)) == 1 and ids(place) == []
    log.close()
    assert ids(place) == [0]


def test_what_waits_is_bounded(tmp_path: Path):
    journal = Journal(tmp_path, largest=1_000, most_bytes=5_000)
    row = vars(answered(0))
    n_dropped = sum(journal.append([row]) for _ in range(40))
    sizes = [path.stat().st_size for path in waiting(tmp_path)]
    assert n_dropped > 0 and sum(sizes) <= 5_000 + 1_000 + 500
    newest = waiting(tmp_path)[-1]
    assert drop_oldest(tmp_path, 1_500) > 0 and newest in waiting(tmp_path)


def test_a_database_that_is_none_is_an_error_in_one_line(tmp_path: Path):
    (tmp_path / "log.db").write_bytes(b"no database, but longer than a header " * 30)
    place = Place("sqlite", f"sqlite:///{tmp_path}/log.db", 9, b"", tmp_path / "journal")
    with pytest.raises(DataError, match=r"can't be read: .*not a database") as found:
        open_table(place).newest("m", "answer", 1)
    assert "\n" not in str(found.value)


def test_the_table_has_no_column_for_a_signal_or_a_person(tmp_path: Path):
    place = Place("sqlite", f"sqlite:///{tmp_path}/log.db", 9, b"", tmp_path / "journal")
    log = Log(place, background=False)
    log.add([answered(0)])
    log.close()
    with sqlite3.connect(tmp_path / "log.db") as database:
        found = database.execute("SELECT * FROM heart_reader_predictions")
        columns = {each[0] for each in found.description}
    assert columns == {"n", *NAMES}
    assert not columns & {"signal", "sex", "age", "name", "patient"}
