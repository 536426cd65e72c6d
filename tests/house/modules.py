"""The modules of the packages as their source says them, for the tests of the house."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.conftest import REPOSITORY

PACKAGES = ("heart_reader", "tuning", "registry", "deploy")


@dataclass(frozen=True)
class Module:
    """A file of a package.

    Attributes:
        name: dotted.
        path: of the file.
        tree: of its source.
    """

    name: str
    path: Path
    tree: ast.Module

    @property
    def holds_code(self) -> bool:
        """Whether it defines anything: exports and old addresses don't."""
        return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in self.tree.body)


@cache
def modules() -> dict[str, Module]:
    """All, by name."""
    paths = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    found = [Module(name_of(path), path, parsed(path)) for path in sorted(paths)]
    return {module.name: module for module in found}


def name_of(path: Path) -> str:
    """``heart_reader.data`` of ``heart_reader/data/__init__.py``."""
    dotted = path.relative_to(REPOSITORY).with_suffix("").as_posix().replace("/", ".")
    return dotted.removesuffix(".__init__")


def parsed(path: Path) -> ast.Module:
    """The tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(node: ast.AST) -> set[str]:
    """Modules that a statement imports, and for names of a package those that define them."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {_definer(node.module, alias.name) for alias in node.names}
    return set()


def _definer(module: str, name: str) -> str:
    """``heart_reader.models.fusion`` for ``from heart_reader.models import build_model``."""
    if f"{module}.{name}" in modules():
        return f"{module}.{name}"
    if module in modules() and modules()[module].path.name == "__init__.py":
        for node in modules()[module].tree.body:
            if isinstance(node, ast.ImportFrom) and node.module not in (None, module):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return _definer(str(node.module), alias.name)
    return module


def without_docstrings(tree: ast.AST) -> list[ast.Constant]:
    """All strings of a source that are values."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
