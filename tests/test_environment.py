"""One home of versions, and an MLproject that MLflow itself reads."""

import importlib.util
import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest
import yaml
from mlflow.projects._project_spec import load_project

from tests.conftest import REPOSITORY

NEEDED = {"mlflow", "torch", "optuna", "wfdb", "pandas", "scipy", "scikit-learn", "onnx"}
NEEDED |= {"onnxruntime", "onnx2tf", "tensorflow", "matplotlib", "safetensors", "pyyaml", "numpy"}


def lines_of(name: str) -> list[str]:
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins_of(lines: list[str]) -> dict[str, str]:
    return dict(line.split("==") for line in lines)


def test_conda_yaml_takes_every_version_from_the_lock_file():
    tree = yaml.safe_load((REPOSITORY / "conda.yaml").read_text(encoding="utf-8"))
    (pip,) = [item["pip"] for item in tree["dependencies"] if isinstance(item, dict)]
    assert pip == lines_of("requirements.lock")
    others = [item for item in tree["dependencies"] if not isinstance(item, dict)]
    assert others == ["python=3.11", "pip"]
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11,<3.12"' in project


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_line_of_a_lock_file_is_one_exact_version(name):
    lines = lines_of(name)
    for line in lines:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][\w.]*", line), line
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names))


def test_the_named_packages_are_pinned_and_installed_as_pinned():
    pins = pins_of(lines_of("requirements.lock"))
    assert set(pins) >= NEEDED
    installed = {name: version(name).split("+")[0] for name in NEEDED}
    assert installed == {name: pins[name] for name in NEEDED}


def test_development_tools_repeat_no_pin():
    both = pins_of(lines_of("requirements.lock")).keys() & pins_of(
        lines_of("requirements-dev.lock")
    )
    assert both == set()


# ---------------------------------------------------------------- MLproject


@pytest.fixture(scope="module")
def project():
    return load_project(str(REPOSITORY))


def test_mlflow_reads_the_project_and_its_environment(project):
    assert project.name == "heart-reader"
    assert project.env_type == "conda_env"
    assert project.env_config_path == str(REPOSITORY / "conda.yaml")
    assert {"main", "train", "evaluate", "prepare", "import"} <= set(project._entry_points)


def test_every_entry_point_runs_a_module_that_is_there(project):
    for name, entry in project._entry_points.items():
        modules = re.findall(r"-m ([\w.]+)", entry.command)
        assert modules, f"{name} runs no module"
        for module in modules:
            assert importlib.util.find_spec(module) is not None, f"{name}: {module}"


def test_every_parameter_is_used_and_none_has_an_empty_default(project):
    for name, entry in project._entry_points.items():
        used = set(re.findall(r"{(\w+)}", entry.command))
        assert used == set(entry.parameters), name
        for key, parameter in entry.parameters.items():
            assert parameter.default != "", f"{name}: {key}"


def test_an_undeclared_parameter_reaches_the_command_as_a_dotted_option(project):
    command = project.get_entry_point("train").compute_command(
        {"training.epochs": "3", "backbone": "se_resnet1d"}, storage_dir=None
    )
    words = command.split()
    assert words[words.index("--training.epochs") + 1] == "3"
    assert words[words.index("--backbone") + 1] == "se_resnet1d"
    assert words[:3] == ["python", "-m", "tuning.train"]


def test_make_conda_yaml_writes_the_file_that_is_there(tmp_path):
    for name in ("Makefile", "requirements.lock"):
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    subprocess.run(["make", "-s", "conda.yaml"], cwd=tmp_path, check=True)
    written = (tmp_path / "conda.yaml").read_text()
    assert written == (REPOSITORY / "conda.yaml").read_text()


def test_this_is_the_python_that_the_environment_names():
    assert sys.version_info[:2] == (3, 11)


SPIN = "import os, heart_reader; print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, "1000"), ({"OMP_WAIT_POLICY": "active"}, "None"), ({"GOMP_SPINCOUNT": "7"}, "7")],
)
def test_threads_do_not_spin_unless_the_user_says_so(given: dict[str, str], said: str):
    free = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run([sys.executable, "-c", SPIN], env=free | given, cwd=REPOSITORY,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == said


@pytest.mark.parametrize("module", ["tuning.train", "tuning.tune", "registry.sync.step"])
def test_openmp_is_loaded_behind_what_says_how_it_waits(module: str):
    script = f"import sys, {module}; import torch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True,
                          text=True, check=True)  # fmt: skip
    order = done.stdout.split()
    assert order.index("heart_reader") < order.index("torch")
