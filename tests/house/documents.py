"""Commands of ours in the documents, and what each of them takes."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.conftest import REPOSITORY

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
ENTRIES = yaml.safe_load((REPOSITORY / "MLproject").read_text(encoding="utf-8"))["entry_points"]
MLFLOW = re.compile(r"mlflow run \.(.*)")
PYTHON = re.compile(r"python (?:-m ([\w.]+)|(\S+\.py))(.*)")
MAKE = re.compile(r"(?:^|\s)make ([a-z][a-z.-]*)")
OURS = ("heart_reader", "tuning", "registry", "deploy", "benchmarks")


@dataclass(frozen=True)
class Command:
    """A command line in a document.

    Attributes:
        document: its file's name.
        text: from the program on.
        target: a module, a script by its path, or ``make NAME``.
        options: names of what is given to it.
    """

    document: str
    text: str
    target: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def commands(path: Path) -> list[Command]:
    """All of one document: in indented or fenced blocks, and between backticks."""
    return [
        command
        for text in code_of(path.read_text(encoding="utf-8"))
        for command in _read(path.name, text)
    ]


def code_of(text: str) -> list[str]:
    """Lines of blocks, put together where they go on; and spans, whole."""
    text = re.sub(r"\\\n\s*", "", text)
    lines = text.splitlines()
    fenced, blocks, prose = False, [], []
    for line in lines:
        if line.startswith("```"):
            fenced = not fenced
            continue
        code = fenced or line.startswith(("    ", "\t"))
        (blocks if code else prose).append(line)
    spans = re.findall(r"`([^`]+)`", "\n".join(prose))
    return [line.strip() for line in blocks] + [" ".join(span.split()) for span in spans]


def _read(document: str, text: str) -> list[Command]:
    text = re.sub(r"\s#\s.*", "", text)  # a remark
    if found := MLFLOW.search(text):
        entry = re.search(r"-e (\w+)", found[1])
        name = entry[1] if entry else "main"
        module = ENTRIES[name]["command"].split()[2] if name in ENTRIES else f"no entry {name}"
        return [Command(document, found[0], module, tuple(re.findall(r"-P ([\w.]+)=", text)))]
    if (found := PYTHON.search(text)) and (found[1] or found[2]).startswith(OURS):
        options = tuple(re.findall(r"(?<!\S)\[?--([\w.-]+)", found[3]))
        return [Command(document, found[0], found[1] or found[2], options)]
    return [
        Command(document, text, f"make {target}", tuple(re.findall(r"\b([A-Z]+)=", text)))
        for target in MAKE.findall(text)
    ]


def bare_parameters(path: Path) -> list[str]:
    """``force`` of a span that is ``-P force=REASON`` alone."""
    code = code_of(path.read_text(encoding="utf-8"))
    return [
        key for text in code if text.startswith("-P ") for key in re.findall(r"-P ([\w.]+)=", text)
    ]
