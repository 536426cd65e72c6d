"""The console command: the same entry points, the same help, and no arrow that nobody sees.

Covers: heart_reader.cli.command, heart_reader.cli.commands, registry.commands, tuning.commands.
"""

import subprocess
import sys
import tomllib
from importlib.util import find_spec

import pytest
import yaml

from heart_reader.cli import app
from heart_reader.evaluation.sheets.arrangement import LAYOUTS
from heart_reader.reading import options
from tests.conftest import REPOSITORY

COMMANDS = app.commands()
ENTRIES = yaml.safe_load((REPOSITORY / "MLproject").read_text())["entry_points"]
HEAVY = ("torch", "mlflow", "numpy", "pandas", "optuna", "matplotlib")


def started(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=REPOSITORY)


def test_every_entry_point_of_mlproject_is_a_command_of_the_same_module():
    modules = {name: entry["command"].split()[2] for name, entry in ENTRIES.items()}
    assert modules == {name: COMMANDS[name].module for name in ENTRIES}


def test_each_package_lists_its_own_modules_alone():
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    tables = listed["project"]["entry-points"][app.GROUP].values()
    packages = [value.partition(".")[0] for value in tables]
    assert packages == ["heart_reader", "tuning", "registry"]
    for each, package in zip(app._tables(), packages, strict=True):
        for command in each.load().values():
            assert command.module.split(".")[0] == package
            assert find_spec(command.module) is not None


@pytest.mark.parametrize("name", ["train", "promote", "predict", "doctor"])
def test_help_is_that_of_the_module(name):
    by_name = started("-m", "heart_reader.cli.app", name, "--help")
    by_module = started("-m", COMMANDS[name].module, "--help")
    assert (by_name.returncode, by_name.stderr) == (0, "")
    assert by_name.stdout == by_module.stdout
    assert len(by_name.stdout) > 100


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=str)
def test_help_imports_nothing_heavy(words):
    code = f"import sys; from heart_reader.cli.app import main; assert main({words!r}) == 0;"
    done = started("-c", f"{code} print([m for m in {HEAVY!r} if m in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


UNUSED = ("torch._dynamo", "sympy", "matplotlib", "sklearn", "mlflow", "optuna", "tensorflow")


def test_an_answer_loads_nothing_that_it_does_not_use():
    bundle, record = REPOSITORY / "pretrained/se_resnet1d", REPOSITORY / "examples/normal"
    words = ["predict", "--model", str(bundle), str(record)]
    code = f"import sys; from heart_reader.cli.app import main; assert main({words!r}) == 0;"
    done = started("-c", f"{code} print([m for m in {UNUSED!r} if m in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert "NORM" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m heart_reader.cli.app predict --help | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""
    assert done.returncode in (0, 141)  # as it was done before the other had gone, or not


def test_predict_offers_the_layouts_that_there_are():
    assert set(options.LAYOUTS) == set(LAYOUTS)


def test_the_overview_has_a_line_for_each_command(capsys):
    assert app.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(COMMANDS)


def test_a_value_that_looks_like_help_is_a_value(capsys):
    assert app.main(["prepare", "--config", "--help"]) == 1
    assert capsys.readouterr().err.startswith("error: unknown config '--help'")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "unknown command 'trian', did you mean 'train'?: see heart-reader --help"),
        (["prepare", "--dta", "x"], "unknown config key 'dta'"),
        (["prepare", "x"], "unexpected argument 'x': options look like --training.epochs 4"),
    ],
)
def test_a_mistake_is_one_line_and_exit_1(words, message, capsys):
    assert app.main(words) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {message}")
