"""What came from the registry is read, never run: hostile versions, and the process that reads.

Covers: registry.gate.reproduce, registry.gate.clean_load, heart_reader.tracking.versions.
"""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from heart_reader.bundle.kinds import open_bundle
from heart_reader.errors import ModelError
from heart_reader.project import REPOSITORY
from heart_reader.tracking import ModelVersion, load_registered, log_bundle
from registry.gate import clean_load
from registry.gate.reproduce import predict_in_clean_process
from tests.tracking.processes import Store

PRETRAINED = REPOSITORY / "pretrained" / "se_resnet1d"
HOSTILE = """
from pathlib import Path
import mlflow
Path({marker!r}).write_text("run")
class Hostile(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str]) -> list[str]:
        return model_input
mlflow.models.set_model(Hostile())
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One for all: MLflow takes seconds to make it."""
    return Store(tmp_path_factory.mktemp("isolation"))


@pytest.fixture
def local(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry, and a folder with the bundle that is registered there."""
    monkeypatch.chdir(store.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    mlflow.set_experiment("isolation")
    folder = tmp_path / "bundle"
    shutil.copytree(PRETRAINED, folder, ignore=shutil.ignore_patterns("evidence*", "*.md"))
    return folder


def arrays() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 12, 1000)).astype(np.float32)
    return {"signals": noise, "age": np.array([60.0, np.nan]), "sex": np.array([0.0, np.nan])}


def register_hostile(folder: Path, marker: Path) -> ModelVersion:
    """As `log_bundle` does, but with code of somebody else's where ours is."""
    code = folder.parent / "pyfunc.py"
    code.write_text(HOSTILE.format(marker=str(marker)))
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model", python_model=str(code), artifacts={"bundle": str(folder)},
            pip_requirements=["mlflow"],
        )  # fmt: skip
        client = mlflow.MlflowClient()
        client.create_registered_model("heart-reader-hostile")
        made = client.create_model_version("heart-reader-hostile", info.model_uri)
    marker.unlink(missing_ok=True)  # logging ran it: it is the attacker's own process
    return ModelVersion(made.name, str(made.version), info.model_id, info.run_id)


def test_the_code_of_a_version_is_not_run(local: Path, tmp_path: Path):
    marker = tmp_path / "marker"
    version = register_hostile(local, marker)
    said = predict_in_clean_process(version, arrays())
    given = arrays()
    expected = open_bundle(local).predict(given["signals"], "compute", given["age"], given["sex"])
    np.testing.assert_allclose(said, expected, atol=1e-6)
    load_registered(version)
    assert not marker.exists()
    # The check can fail: who asks for the version's own code gets it run.
    mlflow.pyfunc.load_model(version.uri)
    assert marker.exists()


@pytest.mark.parametrize("name", ["run_me.py", "weights.pkl"])
def test_what_is_no_part_of_a_bundle_is_refused(local: Path, name: str):
    (local / name).write_text("import os")
    with mlflow.start_run():
        version = log_bundle(local, "se_resnet1d", "text", {})
    with pytest.raises(ModelError, match=rf"holds artifacts/bundle/{name}, which isn't part"):
        predict_in_clean_process(version, arrays())
    with pytest.raises(ModelError, match="isn't part"):
        load_registered(version)


def test_the_process_has_no_secrets(local: Path, monkeypatch: pytest.MonkeyPatch):
    """What the process is started with is read from the system, not from our own code."""
    with mlflow.start_run():
        version = log_bundle(local, "se_resnet1d", "text", {})
    seen = []
    real = subprocess.run

    def spied(command, **options):
        shown = real([sys.executable, "-c", "import os; print(*os.environ)"], **options)
        seen.extend(shown.stdout.split())
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", spied)
    assert predict_in_clean_process(version, arrays()).shape == (2, 5)
    assert "PYTHONPATH" in seen
    assert not [name for name in seen if name.startswith(("MLFLOW", "HEART", "AWS"))]


def shut_in(script: str) -> str:
    head = f"from {clean_load.__name__} import shut_in; shut_in()\n"
    done = subprocess.run([sys.executable, "-c", head + script], capture_output=True, text=True,
                          cwd=REPOSITORY, check=False)  # fmt: skip
    return (done.stderr.strip().splitlines() or ["nothing"])[-1]


def test_the_process_has_no_network():
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody leave the network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = (
            f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        )
        assert "Error" in shut_in(connect)
        # Without the wall, it answers.
        socket.create_connection(server.getsockname()).close()


def test_the_process_has_a_limit_of_memory():
    assert "MemoryError" in shut_in(f"bytearray({clean_load.MEMORY + 1})")
    assert shut_in("bytearray(1000)") == "nothing"
