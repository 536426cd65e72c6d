"""Every command line of the documents that names our code is there, and takes its options."""

import re

import pytest

from tests.conftest import REPOSITORY
from tests.house.documents import DOCUMENTS, Command, bare_parameters, code_of, commands

pytestmark = pytest.mark.xdist_group("help")
ALL = [command for path in DOCUMENTS for command in commands(path)]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def options_of(help_text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--([a-z_][\w.-]*)", help_text)) | {"help"}


def wrong(command: Command, said: dict[str, str]) -> list[str]:
    """What a command gets wrong."""
    if command.target.startswith("make "):
        return _wrong_make(command)
    target = command.target
    if target.startswith("benchmarks."):
        target = target.replace(".", "/") + ".py"
    if target not in said:
        return [f"{command}: there is no {target}"]
    if not said[target].endswith("\nexit 0"):
        return [f"{command}: {said[target]}"]
    unknown = set(command.options) - options_of(said[target])
    return [f"{command}: {target} takes no {name}" for name in sorted(unknown)]


def _wrong_make(command: Command) -> list[str]:
    name = command.target.removeprefix("make ")
    if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE):
        return [f"{command}: make knows no {name}"]
    used = set(re.findall(r"\$\$?[({]([A-Z]+)", MAKEFILE))
    return [f"{command}: make knows no {key}" for key in command.options if key not in used]


def test_every_command_of_the_documents_is_there_and_takes_its_options(said):
    assert len(ALL) > 60
    assert [line for command in ALL for line in wrong(command, said)] == []


def test_every_parameter_that_stands_alone_is_known_to_some_entry(said):
    known = set().union(*map(options_of, said.values()))
    named = {key for path in DOCUMENTS for key in bare_parameters(path)}
    known |= {f"tuning.{key}" for key in options_of(said["tuning.tune"])}  # by their section too
    assert len(named) > 10
    assert named - known == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlflow run . -e tarin", "there is no no entry tarin"),
        ("mlflow run . -e train -P training.epohcs=3", "takes no training.epohcs"),
        ("python -m heart_reader.predcit --model M R", "there is no heart_reader.predcit"),
        ("python -m heart_reader.predict --modle M R", "takes no modle"),
        ("python benchmarks/edgy.py", "there is no benchmarks/edgy.py"),
        ("python -m benchmarks.recipe --stroe x", "takes no stroe"),
        ("make tset", "make knows no tset"),
        ("make backup TOO=x", "make knows no TOO"),
    ],
)
def test_a_wrong_command_is_noticed(text, message, said, tmp_path):
    (tmp_path / "WRONG.md").write_text(f"Do this:\n\n    {text}\n")
    (command,) = commands(tmp_path / "WRONG.md")
    (line,) = wrong(command, said)
    assert message in line


def test_code_is_found_where_documents_have_it():
    text = "Say `make\ntest`:\n\n    python -m a \\\n      --b 1  # why\n\n```sh\nmake lint\n```\n"
    assert code_of(text) == ["python -m a --b 1  # why", "make lint", "make test"]
