"""What a kit costs, here and by ssh; and the table of the benchmark."""

import os
import runpy
import shutil
import stat
import sys

import numpy as np
import pytest

from heart_reader.edge.ckit.bench import kit_cost
from heart_reader.errors import ModelError
from tests.conftest import REPOSITORY

# Takes the place of ssh: notes the machine, and runs the script here.
SSH = '#!/bin/sh\nwhile [ $# -gt 1 ]; do echo "$1" >> "{log}"; shift; done\nexec sh -c "$1"\n'


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """The words that ssh was given before the script."""
    log, folder = tmp_path / "words", tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(SSH.format(log=log))
    (folder / "ssh").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


def test_a_kit_runs_on_the_machine_that_ssh_reaches(device, ssh):
    found = kit_cost(device, 7, "-p 2222 pi@board")
    assert ssh.read_text().split() == ["-p", "2222", "pi@board"]
    assert found.seconds.shape == (7,)
    assert (found.seconds > 0).all() and np.median(found.seconds) < 1
    assert found.linked == (shutil.which("arm-none-eabi-gcc") is not None)


def test_a_machine_that_cannot_build_is_one_line(device, ssh):
    (ssh.parent / "bin" / "ssh").write_text("#!/bin/sh\necho no route >&2\nexit 255\n")
    with pytest.raises(ModelError, match="can't be measured by ssh pi@board: no route"):
        kit_cost(device, 1, "pi@board")


def test_a_folder_without_a_kit_costs_nothing(tmp_path):
    assert kit_cost(tmp_path, 1) is None


def test_folders_are_compared_side_by_side(device, tflite, tmp_path, monkeypatch, capsys, ssh):
    """Two folders: one with a kit, one of before there were kits."""
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(tflite["int8"], old / "heart_reader.int8.tflite")
    script = str(REPOSITORY / "benchmarks" / "edge.py")
    monkeypatch.setattr(sys, "argv", [script, str(device), str(old)])
    runpy.run_path(script, run_name="__main__")
    said = capsys.readouterr().out
    table = said[said.index("kB / median ms / MB") :].splitlines()
    rows = {line[:28].strip(): line[28:].split("  ") for line in table[2:]}
    kit = next(cells for name, cells in rows.items() if name.startswith("C99"))
    assert kit[-1].strip() == "-"
    size = tflite["int8"].stat().st_size / 1e3
    assert f"{size:.0f} / " in rows["heart_reader.int8.tflite"][-1]
