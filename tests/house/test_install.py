"""The project as pip installs it: an environment that holds it, and a folder that isn't it."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from heart_reader.edge.formats.litert.environment import LOCK
from tests.conftest import REPOSITORY
from tests.house.conftest import BARE, BENCHMARKS, environment, pip, run
from tests.test_environment import lines_of, pins_of

pytestmark = pytest.mark.xdist_group("help")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("heart_reader", "tuning", "registry", "deploy")
DATA = (
    "heart_reader/config/default.yaml",
    "heart_reader/edge/defaults.yaml",
    "heart_reader/edge/formats/litert/locked.txt",
    "heart_reader/edge/web/assets/index.html",
    "heart_reader/edge/web/assets/style.css",
    "heart_reader/edge/web/assets/page/main.js",
    "registry/defaults.yaml",
    "tuning/spaces/default.yaml",
    "tuning/configs/default.yaml",
    "deploy/stores/tuning.sql",
    "deploy/basic_auth.ini",
    "deploy/server/sitecustomize.py",
)


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_every_benchmark_says_what_it_does(script, said):
    text = said[f"benchmarks/{script.name}"]
    assert text.endswith("\nexit 0"), text
    assert text.startswith("usage: ")
    title = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert title is not None
    assert title.split()[0] in text


def test_the_packages_are_the_checkouts_own(editable, tmp_path):
    code = f"for name in {PACKAGES}: print(__import__(name).__file__)"
    found = run(editable, "-c", code, folder=tmp_path).stdout.split()
    assert found == [str(REPOSITORY / name / "__init__.py") for name in PACKAGES]


def test_the_folder_that_one_works_in_comes_first(editable, tmp_path):
    """Another checkout's tests and commands run that checkout's code."""
    (tmp_path / "heart_reader").mkdir()
    (tmp_path / "heart_reader" / "__init__.py").write_text("")
    (tmp_path / "heart_reader" / "where.py").write_text("print(__file__)")
    done = run(editable, "-m", "heart_reader.where", folder=tmp_path)
    assert done.stdout.strip() == str(tmp_path / "heart_reader" / "where.py")


def test_a_wheel_holds_the_packages_with_their_data(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    command += ["-w", str(tmp_path), str(copy_of_the_sources(tmp_path / "sources"))]
    done = subprocess.run(command, capture_output=True, text=True, env=BARE)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    python = environment(tmp_path / "venv")
    pip(python, str(wheel))
    (home,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    held = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    modules = {path for path in tracked() if path.endswith(".py")}
    assert set(DATA) | modules <= held
    assert not {path.split("/")[0] for path in held} & {"tests", "benchmarks", "pretrained"}
    code = "from heart_reader.config.load import load_config; print(load_config('demo', {}).seed)"
    assert run(python, "-c", code, folder=tmp_path).stdout.strip() == "0"


def tracked() -> list[str]:
    """Files of the packages, by their path in the checkout."""
    return [
        path.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def copy_of_the_sources(folder: Path) -> Path:
    """What a wheel is made of, where building leaves nothing in the checkout."""
    for name in [*tracked(), "pyproject.toml", "README.md", "LICENSE", "pretrained/NOTICE"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    return folder


# ---------------------------------------------------------------- dependencies


def declared(group: str | None = None) -> dict[str, Requirement]:
    found = PROJECT["optional-dependencies"][group] if group else PROJECT["dependencies"]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in found}


@pytest.mark.parametrize(
    ("group", "lock"),
    [
        (None, "requirements.lock"),
        ("dev", "requirements-dev.lock"),
        ("ray", "requirements-ray.lock"),
        ("docs", "requirements-docs.lock"),
    ],
)
def test_the_lock_file_lies_within_the_bounds(group, lock):
    pins = {canonicalize_name(name): pin for name, pin in pins_of(lines_of(lock)).items()}
    outside = [
        str(requirement)
        for name, requirement in declared(group).items()
        if name not in pins or pins[name] not in requirement.specifier
    ]
    assert outside == []
    assert all(requirement.specifier for requirement in declared(group).values())


def test_whatever_the_packages_import_is_declared():
    distributions = packages_distributions()
    # deploy/server lies on the path of the MLflow server's processes.
    known = {*sys.stdlib_module_names, *PACKAGES, "platform_hooks"}
    names = {
        name.split(".")[0]
        for path in tracked()
        if path.endswith(".py")
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8")))
        for name in imported(node)
    }
    # What the second converter's process sees alone.
    layered = {line.partition("==")[0] for line in LOCK.read_text().splitlines()}
    declared_names = {*declared(), *declared("ray"), *declared("fhir"), *layered}
    missing = {
        name
        for name in names - known
        # An extra that is not installed goes by its own name.
        if not {canonicalize_name(d) for d in distributions.get(name, (name,))} & declared_names
    }
    assert missing == set()


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def test_nobody_changes_the_search_path():
    changed = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for folder in (*PACKAGES, "benchmarks", "tests")
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("sys.path.")
    ]
    assert changed == []
