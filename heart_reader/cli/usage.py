"""What ``--help`` prints: the entry point's docstring, and its options where they are declared."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from heart_reader.project import MLPROJECT

_LINE = re.compile(r"^( *)([\w.]+):(?: +(.*?))?(?: +# *(.*))?$")


@dataclass(frozen=True)
class Option:
    """One option: its default as YAML says it, and the comment beside it."""

    name: str
    default: str
    about: str

    def __str__(self) -> str:
        return f"  --{self.name:<37} {self.default:<20} {self.about}".rstrip()


def usage(doc: str, module: str, defaults: Sequence[Path]) -> str:
    """The help of an entry point.

    Args:
        doc: its docstring.
        module: its name, by which MLproject starts it.
        defaults: the YAML files that hold the defaults of all other keys.
    """
    parts = [doc.strip()]
    own = list(project_options(module))
    if own:
        parts += ["Options, with their defaults (-P NAME=VALUE under mlflow run):", _lines(own)]
    names = {option.name for option in own}
    keys = [key for path in defaults for key in declared(path) if key.name not in names]
    if keys:
        parts += ["Configuration, with its defaults:", _lines(keys)]
    return "\n\n".join(parts)


def _lines(options: Sequence[Option]) -> str:
    return "\n".join(str(option) for option in options)


def declared(path: Path) -> Iterator[Option]:
    """Every key of a YAML file of defaults, by its dotted name."""
    sections: list[tuple[int, str]] = []  # indent and name
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        indent, key, default, about = len(found[1]), found[2], found[3] or "", found[4] or ""
        sections = [section for section in sections if section[0] < indent]
        if default:
            yield Option(".".join([*(name for _, name in sections), key]), default, about)
        else:
            sections.append((indent, key))


def project_options(module: str) -> Iterator[Option]:
    """What MLproject declares for the entry that runs a module."""
    if not MLPROJECT.is_file():
        return
    text = MLPROJECT.read_text(encoding="utf-8")
    for name, entry in yaml.safe_load(text)["entry_points"].items():
        if f"-m {module} " not in f"{entry['command']} ":
            continue
        block = re.split(r"\n  (?=\w)", text[text.index(f"\n  {name}:") + 1 :])[0]
        for key, kind in entry.get("parameters", {}).items():
            default = str(kind["default"]) if "default" in kind else "(needed)"
            yield Option(key, default, _comment(key, block) or _comment(key, text))


def _comment(key: str, text: str) -> str:
    """The comment beside the first declaration of a parameter, or an empty string."""
    found = re.search(rf"^ +{key}: \{{.*?\}}(?: +# *(.*))?$", text, re.MULTILINE)
    return (found[1] or "") if found else ""
