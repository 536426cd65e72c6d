"""Each test file says what it covers, and no module is without one.

A test file covers the modules that it imports or starts, the one that it mirrors
(``tests/data/test_features.py``: ``heart_reader.data.features``), and those of the line
``Covers:`` in its docstring, for what a test reaches through something else; there,
``heart_reader.data.formats.*`` stands for all of a room.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.house.modules import imports, modules, parsed, without_docstrings

HERE = Path(__file__).parent
EVERY = sorted((REPOSITORY / "tests").rglob("test_*.py"))
TESTS = [path for path in EVERY if path.parent != HERE]  # those here look at all modules alike
ALONE = "nothing of ours alone"  # instead of modules, with what it is about
N_FILES = 14  # in a folder: more, and nobody sees where a change goes
# Scripts that each stand alone, and are started by their path.
WIDE = {"benchmarks"}
# Whose tests are on their way. Nothing is added here: a module comes with its tests.
AWAITED = ("registry.pretrained.rescore",)


def line_of(path: Path) -> str:
    """What stands behind ``Covers:``, or an empty string."""
    doc = ast.get_docstring(parsed(path)) or ""
    found = re.search(r"^Covers: (.*?)\.?\s*(?:\n\n|\Z)", doc, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def declared(path: Path) -> set[str]:
    line = line_of(path)
    if not line or line.startswith(ALONE):
        return set()
    found: set[str] = set()
    for word in line.split(", "):
        room = word.removesuffix("*")
        found |= {n for n in modules() if n.startswith(room)} if room != word else {word}
    return found


def mirrored(path: Path) -> set[str]:
    inner = path.relative_to(REPOSITORY / "tests").with_suffix("").as_posix()
    dotted = inner.replace("test_", "").replace("/", ".")
    return {dotted, f"heart_reader.{dotted}"} & modules().keys()


def covered(path: Path) -> set[str]:
    """Modules that a test file names."""
    tree = parsed(path)
    found = declared(path) | mirrored(path)
    for node in ast.walk(tree):
        found |= imports(node) & modules().keys()
    for text in without_docstrings(tree):
        found |= set(re.findall(r"[a-z_]+(?:\.[a-z_0-9]+)+", text.value)) & modules().keys()
    return found


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_test_file_says_what_it_covers(path):
    assert covered(path) or line_of(path).startswith(ALONE), "add a line 'Covers: MODULE.'"
    assert declared(path) <= modules().keys(), "the line 'Covers:' names what isn't there"


def test_every_module_that_holds_code_is_covered():
    seen = set().union(*map(covered, TESTS), *map(declared, EVERY))
    bare = {name for name, module in modules().items() if module.holds_code} - seen
    bare = {name for name in bare if not name.startswith(AWAITED)}
    assert bare == set(), "name them on a line 'Covers:' of the test file that holds them"


def test_a_line_that_covers_is_read():
    path = REPOSITORY / "tests" / "tuning" / "test_tune.py"
    assert {"tuning.outcome", "tuning.search"} <= declared(path)
    assert mirrored(path) == {"tuning.tune"}
    assert "heart_reader.files" not in covered(path)


def test_no_folder_holds_more_files_than_one_sees_at_once():
    folders = ["heart_reader", "tuning", "registry", "deploy", "benchmarks", "tests"]
    counts = {
        folder.relative_to(REPOSITORY).as_posix(): sum(f.is_file() for f in folder.iterdir())
        for name in folders
        for folder in [REPOSITORY / name, *(REPOSITORY / name).rglob("*")]
        if folder.is_dir() and folder.name != "__pycache__"
    }
    assert {name for name, count in counts.items() if count > N_FILES} <= WIDE
