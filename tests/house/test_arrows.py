"""Arrows that a list of imports doesn't show: circles, and modules named by strings."""

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import pytest

from tests.house.modules import imports, modules, without_docstrings

# Who starts modules that its arguments name, and why.
MAY_RUN_BY_NAME = {
    "heart_reader.edge.measure": "imports a model's interpreter, which is somebody else's package",
    "heart_reader.cli.app": "imports the command that was asked for, of a list in its package",
    "registry.main": "to be replaced by a table of functions",
    "registry.sync.step": "to be replaced as well",
}
KNOWN = ["registry.main names tuning.train"]  # to be replaced as well
RUNNERS = ("runpy.run_module", "runpy.run_path", "run_module", "run_path", "exec", "eval",
           "importlib.import_module", "import_module", "__import__")  # fmt: skip
LEAVES = ("tuning", "registry", "deploy")


# ---------------------------------------------------------------- circles


def at_import(node: ast.AST) -> set[str]:
    """What importing a module imports: nothing of its functions, nor what only types need."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        return set()
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return set()
    found = imports(node)
    for child in ast.iter_child_nodes(node):
        found |= at_import(child)
    return found


def arrows() -> dict[str, set[str]]:
    known = modules()
    return {
        name: (at_import(module.tree) & known.keys()) - {name} for name, module in known.items()
    }


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle of the graph, or an empty list."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_through_others():
    assert sum(map(len, arrows().values())) > 400  # the walk saw them
    assert circle(arrows()) == []


def test_a_circle_is_noticed():
    graph = arrows()
    graph["heart_reader.errors"] |= {"heart_reader.data.dataset"}
    found = circle(graph)
    assert {"heart_reader.errors", "heart_reader.data.dataset"} <= set(found)


# ---------------------------------------------------------------- strings


def named(tree: ast.AST) -> set[str]:
    """Our modules that a source names in a string: whole, or behind ``-m``."""
    found = set()
    for text in without_docstrings(tree):
        words = text.value.split()
        if len(words) == 1:
            found |= {text.value} & modules().keys()
        found |= {b for a, b in pairwise(words) if a == "-m" and b in modules()}
    return found - set(LEAVES) - {"heart_reader"}  # those are words as well


def wrong_strings(source: str, tree: ast.AST) -> list[str]:
    """Arrows by string into another leaf, or up from heart_reader."""
    own = source.split(".")[0]
    allowed = {own} if own == "heart_reader" else {own, "heart_reader"}
    return sorted(
        f"{source} names {name}" for name in named(tree) if name.split(".")[0] not in allowed
    )


def test_no_string_names_a_module_that_may_not_be_imported():
    wrong = [line for name, m in modules().items() for line in wrong_strings(name, m.tree)]
    assert wrong in ([], KNOWN)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("registry.main", 'start("tuning.train", words)'),
        ("heart_reader.train", 'run([sys.executable, "-m", "registry.sync.syncer"])'),
        ("tuning.tune", 'run("python -m registry.export --model x")'),
    ],
)
def test_an_arrow_by_string_is_noticed(source, code):
    assert len(wrong_strings(source, ast.parse(code))) == 1


def test_nothing_is_run_by_a_name_that_a_string_holds():
    callers = {
        name
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in RUNNERS
    }
    assert callers <= set(MAY_RUN_BY_NAME)
