"""Chunks come back in order, also where a file ends the process that reads it."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from heart_reader.reading.many.pool import Pool


def nothing() -> None:
    """A worker needs no model here."""


def slow_first(names: Sequence[str]) -> list[dict[str, object]]:
    time.sleep(0.3 if "0" in names else 0)
    return [{"record": name, "pid": os.getpid()} for name in names]


def deadly(names: Sequence[str]) -> list[dict[str, object]]:
    if "dead" in names:
        os.kill(os.getpid(), signal.SIGKILL)
    return [{"record": name} for name in names]


def lost(name: str) -> dict[str, object]:
    return {"record": name, "lost": True}


def test_chunks_come_in_order_from_several_processes():
    chunks = [[str(2 * k), str(2 * k + 1)] for k in range(12)]
    with Pool(2, nothing, ()) as pool:
        rows = list(pool.answered(chunks, slow_first, lost))
    assert [[row["record"] for row in chunk] for chunk in rows] == chunks
    pids = {row["pid"] for chunk in rows for row in chunk}
    assert len(pids) == 2 and os.getpid() not in pids


def test_a_file_that_kills_its_process_is_lost_alone():
    chunks = [["a", "b"], ["c", "dead", "d"], ["e"], ["f"], ["dead"], ["g"]]
    with Pool(2, nothing, ()) as pool:
        rows = list(pool.answered(chunks, deadly, lost))
    assert [[row["record"] for row in chunk] for chunk in rows] == chunks
    assert [row["record"] for chunk in rows for row in chunk if "lost" in row] == ["dead"] * 2


def begin_and_say(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()


def test_processes_end_with_their_parent(tmp_path):
    import subprocess
    import sys

    script = (
        "import sys, time\n"
        "from heart_reader.reading.many.pool import Pool\n"
        "from tests.reading.many import test_pool as t\n"
        "if __name__ == '__main__':\n"
        "    with Pool(2, t.begin_and_say, (sys.argv[1],)) as pool:\n"
        "        for _ in pool.answered([[str(k)] for k in range(1000)], t.slow_first, t.lost):\n"
        "            time.sleep(1)\n"
    )
    (tmp_path / "main.py").write_text(script)
    (tmp_path / "pids").mkdir()
    root = Path(__file__).parents[3]
    command = [sys.executable, str(tmp_path / "main.py"), str(tmp_path / "pids")]
    started = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(root)})
    assert comes_true(lambda: len(list((tmp_path / "pids").iterdir())) == 2)
    started.kill()
    started.wait()
    pids = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    assert comes_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def comes_true(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return what()
