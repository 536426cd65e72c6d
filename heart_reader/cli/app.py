"""The console command ``heart-reader``: every entry point as a sub-command.

heart-reader predict --model pretrained/se_resnet1d FILE
heart-reader train --data demo --training.epochs 4

A command is imported when it is run, so that help is there at once.
"""

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from heart_reader.cli.command import Command
from heart_reader.cli.entry import asks_for_help, reader_is_gone, run_entry
from heart_reader.cli.usage import usage
from heart_reader.errors import did_you_mean
from heart_reader.project import REPOSITORY

NAME = "heart-reader"
# Each package lists its own commands; pyproject.toml, above them all, names the lists.
GROUP = "heart_reader.commands"


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command that the first word names, and gives its exit code."""
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        return reader_is_gone()
    return code


def _run(words: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if words is None else words)
    found = commands()
    if not given or given[0] in {"--help", "-h"}:
        print(overview(found))
        return 0
    name, *rest = given
    if name not in found:
        near = did_you_mean(name, found)
        print(f"error: unknown command {name!r}{near}: see {NAME} --help", file=sys.stderr)
        return 1
    command = found[name]
    if not {"-h", "--help"}.isdisjoint(rest) if command.parser else asks_for_help(rest):
        print(help_of(command))
        return 0
    return run_entry(importlib.import_module(command.module).main, words=rest)


def command_line(name: str, words: Sequence[str]) -> list[str]:
    """What starts a command in a process of its own."""
    return [sys.executable, "-m", "heart_reader.cli.app", name, *words]


# ---------------------------------------------------------------- which there are


def commands() -> dict[str, Command]:
    """Those of every package, by their names."""
    return {name: each for table in _tables() for name, each in table.load().items()}


def _tables() -> Iterator[EntryPoint]:
    """Of the checkout's own pyproject.toml, else as installed: a checkout needn't be installed."""
    path = REPOSITORY / "pyproject.toml"
    if path.is_file():
        listed = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["entry-points"][GROUP]
        yield from (EntryPoint(name, value, GROUP) for name, value in listed.items())
    else:
        yield from entry_points(group=GROUP)


# ---------------------------------------------------------------- what they say of themselves


def overview(found: Mapping[str, Command]) -> str:
    """A line for each command."""
    lines = [f"  {name:<16} {_about(name, command)}" for name, command in found.items()]
    return "\n".join(
        [f"usage: {NAME} COMMAND --help", "", *lines, "", "Options look like --training.epochs 4."]
    )


def _about(name: str, command: Command) -> str:
    first = docstring(command.module).splitlines()[0]
    return first.removeprefix(f"Entry point ``{name}``: ")


def help_of(command: Command) -> str:
    """As ``python -m MODULE --help`` prints it."""
    if command.parser is not None:
        return command.parser().format_help().rstrip()
    return usage(docstring(command.module), command.module, command.defaults)


def docstring(module: str) -> str:
    """Of a module that isn't imported for it."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module!r} of a command", name=module)
    return ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""


if __name__ == "__main__":
    raise SystemExit(main())
