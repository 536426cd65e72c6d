"""Entry points as processes: options, one line an error, exit codes as a shell expects them."""

import errno
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from heart_reader.cli.entry import HelpAsked, dotted_options, run_entry, signals_raise
from heart_reader.cli.usage import declared
from heart_reader.config.strict import flatten
from heart_reader.errors import ConfigError, DataError
from heart_reader.project import CONFIG_DEFAULTS, EDGE_DEFAULTS
from registry.commands import DEFAULTS
from tests.conftest import REPOSITORY
from tuning.commands import TUNING_DEFAULTS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["--seed", "1"], {"seed": "1"}),
        (["--seed=1"], {"seed": "1"}),
        (["--training.epochs", "4", "--data=a=b"], {"training.epochs": "4", "data": "a=b"}),
        (["--x", "-1"], {"x": "-1"}),
        (["--x="], {"x": ""}),
        (["--x", "1", "--x", "2"], {"x": "2"}),
    ],
)
def test_options(words, expected):
    assert dotted_options(words) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed"], "unexpected argument 'seed': options look like --training.epochs 4"),
        (["-s", "1"], "unexpected argument '-s': options look like --training.epochs 4"),
        (["--"], "unexpected argument '--': options look like --training.epochs 4"),
        (["--seed"], "option '--seed' has no value"),
    ],
)
def test_options_that_are_none(words, message):
    with pytest.raises(ConfigError) as raised:
        dotted_options(words)
    assert str(raised.value) == message


# ---------------------------------------------------------------- help

ENTRIES = yaml.safe_load((REPOSITORY / "MLproject").read_text())["entry_points"]
MODULES = {name: entry["command"].split()[2] for name, entry in ENTRIES.items()}


def test_help_is_an_option_but_may_be_a_value():
    with pytest.raises(HelpAsked):
        dotted_options(["--seed", "1", "--help"])
    assert dotted_options(["--note", "--help"]) == {"note": "--help"}


@pytest.mark.parametrize(
    "path", [CONFIG_DEFAULTS, TUNING_DEFAULTS, DEFAULTS, EDGE_DEFAULTS], ids=str
)
def test_help_knows_every_key_of_the_defaults(path: Path):
    expected = flatten(yaml.safe_load(path.read_text()))
    options = list(declared(path))
    assert {option.name: yaml.safe_load(option.default) for option in options} == expected
    assert all("#" not in option.default for option in options)


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("name", [*ENTRIES, None])
def test_help_of_every_entry_point_says_what_it_takes(name, capsys, monkeypatch):
    module = MODULES.get(name, "heart_reader.train")
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 0
    called = capsys.readouterr()
    assert called.err == ""
    assert called.out.startswith("Entry point ")
    lines = {line.split()[0]: line for line in called.out.splitlines() if line.startswith("  --")}
    for key, parameter in ENTRIES.get(name, {}).get("parameters", {}).items():
        assert parameter.get("default", "(needed)") in lines[f"--{key}"]
    if module in ("heart_reader.train", "tuning.train", "registry.main"):
        assert lines["--augmentation.noise_sd"].split() == [
            "--augmentation.noise_sd",
            "0.02",
            "mV",
        ]


def test_each_line_of_an_error_is_printed_and_the_code_is_1(capsys):
    def fail(words) -> None:
        raise DataError("one\ntwo")

    assert run_entry(fail) == 1
    assert capsys.readouterr().err == "error: one\nerror: two\n"
    assert run_entry(lambda words: None) == 0


def test_a_long_value_is_left_out_of_what_is_printed(capsys):
    def refuses(_):
        raise ConfigError("seed must be a whole number, but is " + "x" * 70_000)

    assert run_entry(refuses, words=[]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: seed must be a whole number, but is xxx") and len(said) < 1100


def test_what_the_system_refuses_is_one_line(capsys, tmp_path):
    def full(words):
        raise OSError(errno.ENOSPC, "No space left on device")

    def missing(words):
        (tmp_path / "no" / "file").write_text("")

    assert (run_entry(full, words=[]), run_entry(missing, words=[])) == (1, 1)
    assert capsys.readouterr().err.splitlines() == [
        "error: No space left on device",
        f"error: {tmp_path}/no/file: No such file or directory",
    ]


def test_a_connection_that_breaks_is_no_file(capsys):
    def broken(words):
        raise ConnectionError("the other side went away")

    with pytest.raises(ConnectionError):
        run_entry(broken, words=[])


def test_a_mistake_of_ours_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        run_entry(lambda words: 1 // 0)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with signals_raise():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


WAITING = """
import time
from heart_reader.cli.entry import run_entry

def main(words):
    try:
        print("ready", flush=True)
        time.sleep(30)
    except Exception:
        print("swallowed", flush=True)
    finally:
        time.sleep(0.4)  # a second signal arrives here
        print("closed", flush=True)

raise SystemExit(run_entry(main))
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_after_its_clean_up(signum):
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signum)
        time.sleep(0.15)
        process.send_signal(signum)
        out, err = process.communicate(timeout=10)
    assert (out, err) == ("closed\n", f"stopped by {signum.name}\n")
    assert process.returncode == 128 + signum


FORGOTTEN = """
import threading, time
from heart_reader import interrupt
from heart_reader.cli.entry import run_entry

interrupt.SECONDS_TO_LEAVE = 0.5

def main(words):
    threading.Thread(target=threading.Event().wait).start()  # that nobody will ever set
    print("ready", flush=True)
    time.sleep(30)

raise SystemExit(run_entry(main))
"""


def test_a_thread_that_nobody_stops_does_not_hold_a_stopped_process():
    with subprocess.Popen(
        [sys.executable, "-c", FORGOTTEN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM


def test_an_entry_point_refuses_an_unknown_option_in_one_line(tmp_path):
    command = [sys.executable, "-m", "heart_reader.prepare", "--training.epohcs", "3"]
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment(tmp_path)
    )
    assert run.returncode == 1
    assert run.stderr.endswith(
        "error: unknown config key 'training.epohcs', did you mean 'training.epochs'?\n"
    )
    assert "Traceback" not in run.stderr


def environment(folder) -> dict[str, str]:
    root = str(REPOSITORY)
    return os.environ | {"PYTHONPATH": root, "HEART_READER_CACHE": str(folder / "cache")}
