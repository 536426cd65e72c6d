"""Logs that a process holds open, cut while it goes on writing."""

import subprocess
import sys
from pathlib import Path

from deploy.running.logs import rotate

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


def test_a_log_is_cut_and_nothing_is_lost_between_two_lines(tmp_path: Path):
    log = tmp_path / "service.log"
    with log.open("ab") as file:
        writer = subprocess.Popen(
            [sys.executable, "-u", "-c", ECHO], stdin=subprocess.PIPE, stdout=file, text=True
        )
    assert writer.stdin is not None
    lines = [f"{number:050d}\n" for number in range(40)]
    for line in lines:
        before = log.stat().st_size
        writer.stdin.write(line)
        writer.stdin.flush()
        while log.stat().st_size == before:
            pass
        rotate(log, most_bytes=200, most_files=4)
    writer.stdin.close()
    assert writer.wait(30) == 0
    kept = [tmp_path / f"service.log.{number}" for number in (3, 2, 1)] + [log]
    text = "".join(path.read_text() for path in kept)
    assert text == "".join(lines)[-len(text) :]
    assert len(text.splitlines()) >= 12  # three files of four lines
    assert not (tmp_path / "service.log.4").exists()


def test_a_short_log_is_left_alone(tmp_path: Path):
    log = tmp_path / "service.log"
    assert not rotate(log)
    log.write_text("x" * 100)
    assert not rotate(log, most_bytes=100)
    assert log.read_text() == "x" * 100
