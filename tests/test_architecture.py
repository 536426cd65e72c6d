"""The arrows between the parts, read from the source: who may import whom, and what nobody may."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("heart_reader", "tuning", "registry", "deploy")

# Each part stands on those of a lower layer, and on its own; `heart_reader.` is left out.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "files",
        "progress",
        "project",
        "interrupt",
        "config.strict",
        "config.yaml_files",
        "cli.usage",
        "predictions",
    ),
    ("data", "tasks", "models", "evaluation.metrics", "evaluation.checks"),
    ("training", "evaluation"),
    ("config", "bundle", "bundles"),
    ("fitting", "tracking", "edge", "cli"),
    ("trainings", "reading"),
    (
        "train",
        "evaluate",
        "predict",
        "prepare",
        "edge.run",
        "cli.commands",
        "tracking.pyfunc",
        "tracking.served",
        "serve",
    ),
)

# Fold 10 is opened by `evaluate`; the others that may name it, and why.
MAY_NAME_TEST_FOLD = {
    "heart_reader/data/ptbxl.py": "says which fold it is, and keeps patients out of two parts",
    "heart_reader/data/dataset.py": "defines load_test",
    "heart_reader/trainings/checked.py": "counts labels for `prepare`, and shows no signal",
    "heart_reader/evaluate.py": "is the one that opens it",
    "heart_reader/prepare.py": "verifies its files, reads no label or signal into a model",
}


@dataclass(frozen=True)
class Import:
    """``module`` as it is imported in ``path``; ``name`` is what is taken from it, or ""."""

    path: str
    line: int
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module} {self.name}".rstrip()


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def tree_of(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> Iterator[Import]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(relative(path), node.lineno, alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                yield Import(relative(path), node.lineno, node.module or "", alias.name)


ALL = [found for path in sources() for found in imports_of(path)]


def layer_of(module: str) -> int | None:
    """The layer of ``heart_reader.x.y``: that of its longest prefix in `LAYERS`."""
    parts = module.split(".")[1:]
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        for number, layer in enumerate(LAYERS):
            if prefix in layer:
                return number
    return None


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def targets(found: Import) -> str:
    """The module meant: ``from heart_reader.evaluation import report`` means ``.report``."""
    if not found.name:
        return found.module
    longer = f"{found.module}.{found.name}"
    file = REPOSITORY / longer.replace(".", "/")
    return longer if file.with_suffix(".py").exists() or file.is_dir() else found.module


def wrong_arrows(imports: list[Import]) -> list[str]:
    wrong = []
    for found in imports:
        source, target = module_of(found.path), targets(found)
        if not (source.startswith("heart_reader.") and target.startswith("heart_reader.")):
            continue
        here, there = layer_of(source), layer_of(target)
        same_part = source.split(".")[1] == target.split(".")[1]
        if here is None or there is None:
            wrong.append(f"{found}: in no layer")
        elif there > here and not same_part:
            wrong.append(str(found))
    return wrong


# ---------------------------------------------------------------- arrows


def test_every_module_has_a_layer_and_every_layer_names_what_is_there():
    modules = {module_of(relative(path)) for path in sources()}
    ours = {name for name in modules if name.startswith("heart_reader.")}
    assert {name for name in ours if layer_of(name) is None} == set()
    named = [f"heart_reader.{name}" for layer in LAYERS for name in layer]
    assert set(named) <= modules
    assert len(named) == len(set(named))


def test_arrows_inside_heart_reader_go_down_the_layers():
    assert len(ALL) > 300  # the walk saw the packages
    assert wrong_arrows(ALL) == []


@pytest.mark.parametrize(
    ("path", "module", "name"),
    [
        ("heart_reader/data/signals/pack.py", "heart_reader.training.trainer", "Trainer"),
        ("heart_reader/models/blocks.py", "heart_reader", "bundle"),
        ("heart_reader/evaluation/metrics.py", "heart_reader.training", "losses"),
        ("heart_reader/training/losses.py", "heart_reader.bundle.single", "Bundle"),
        ("heart_reader/bundle/single.py", "heart_reader.train", "main"),
        ("heart_reader/tracking/runs.py", "heart_reader.trainings.text", "as_yaml"),
        ("heart_reader/new_part.py", "heart_reader.errors", "DataError"),
    ],
)
def test_a_wrong_arrow_is_noticed(path, module, name):
    assert len(wrong_arrows([Import(path, 1, module, name)])) == 1


def test_training_and_models_see_no_evaluation_but_the_metrics():
    parts = ("heart_reader/training/", "heart_reader/models/", "heart_reader/data/")
    allowed = "heart_reader.evaluation.metrics"
    wrong = [
        str(found)
        for found in ALL
        if found.path.startswith(parts)
        and targets(found).startswith("heart_reader.evaluation")
        and (targets(found) != allowed or not found.path.startswith("heart_reader/training/"))
    ]
    assert wrong == []


def test_tuning_registry_and_deploy_are_leaves():
    """They import heart_reader, never the other way, and not each other."""
    wrong = [
        str(found)
        for found in ALL
        if found.module.split(".")[0] in ("tuning", "registry", "deploy")
        and found.module.split(".")[0] != found.path.split("/")[0]
    ]
    assert wrong == []


def test_no_package_names_a_module_of_another_by_a_string():
    """pyproject.toml and MLproject stand above them, and may."""
    modules = {module_of(relative(path)) for path in sources()}
    wrong = [
        f"{relative(path)}:{node.lineno} {node.value}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and node.value in modules and "." in node.value
        if node.value.split(".")[0] not in ("heart_reader", relative(path).split("/")[0])
    ]
    assert wrong == []


def test_there_are_no_circles():
    """Of modules that import each other, what a function imports when it is called included."""
    modules = {module_of(relative(path)): path for path in sources()}
    arrows: dict[str, set[str]] = {
        name: {targets(found) for found in imports_of(path)} & set(modules) - {name}
        for name, path in modules.items()
    }
    ends = [name for name, there in arrows.items() if not there]
    while ends:  # what imports nothing is in no circle; without it, neither is what imported it
        for name in ends:
            del arrows[name]
        arrows = {name: there & set(arrows) for name, there in arrows.items()}
        ends = [name for name, there in arrows.items() if not there]
    assert arrows == {}


def test_nothing_imports_tests_or_benchmarks():
    wrong = [str(found) for found in ALL if found.module.split(".")[0] in ("tests", "benchmarks")]
    assert wrong == []


def test_only_tracking_knows_mlflow_in_heart_reader():
    users = {
        found.path
        for found in ALL
        if found.module.split(".")[0] == "mlflow" and found.path.startswith("heart_reader/")
    }
    assert users
    assert all(path.startswith("heart_reader/tracking/") for path in users), users


def test_only_tuning_knows_optuna():
    users = {found.path for found in ALL if found.module.split(".")[0] == "optuna"}
    assert all(path.startswith("tuning/") for path in users), users


# ---------------------------------------------------------------- what nobody does


def test_nothing_is_unpickled():
    picklers = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve"}
    assert [str(f) for f in ALL if f.module.split(".")[0] in picklers] == []
    calls = {
        f"{relative(path)}:{node.lineno} {name}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        for name in [ast.unparse(node.func)]
        if name in ("torch.load", "torch.save", "torch.jit.load", "pd.read_pickle")
    }
    assert calls == set()
    allowing = [
        f"{relative(path)}:{node.value.lineno}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle"
        if not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert allowing == []


def test_input_is_not_checked_by_assert_and_no_error_is_swallowed():
    wrong = []
    for path in sources():
        for node in ast.walk(tree_of(path)):
            bare = isinstance(node, ast.ExceptHandler) and node.type is None
            if bare or isinstance(node, ast.Assert):
                wrong.append(f"{relative(path)}:{node.lineno} {type(node).__name__}")
            if isinstance(node, ast.FunctionDef) and node.name == "__del__":
                wrong.append(f"{relative(path)}:{node.lineno} __del__")
    assert wrong == []


def test_only_evaluate_opens_fold_10():
    callers, namers = set(), set()
    for path in sources():
        for node in ast.walk(tree_of(path)):
            name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
            if name == "load_test":
                callers.add(relative(path))
            if name == "TEST_FOLD":
                namers.add(relative(path))
    assert callers == {"heart_reader/evaluate.py"}
    assert namers <= set(MAY_NAME_TEST_FOLD), namers - set(MAY_NAME_TEST_FOLD)


def test_nobody_writes_the_number_of_fold_10():
    """``strat_fold == 10`` or a fold of 10 in a tuple would go around the name."""
    wrong = []
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Compare | ast.Call):
                continue
            tens = [
                n for n in ast.walk(node) if isinstance(n, ast.Constant) and n.value in (10, "10")
            ]
            if tens and any(word in ast.unparse(node) for word in ("fold", "Fold")):
                wrong.append(f"{relative(path)}:{node.lineno} {ast.unparse(node)[:60]}")
    assert [line for line in wrong if not line.startswith(tuple(MAY_NAME_TEST_FOLD))] == []
