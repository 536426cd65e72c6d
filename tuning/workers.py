"""Several workers of a study at once, as Ray tasks on this machine or on a cluster.

Ray is no part of the environment: ``pip install -r requirements-ray.lock`` adds it.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import mlflow

from heart_reader.cli.entry import run_entry
from heart_reader.errors import ConfigError
from heart_reader.project import REPOSITORY
from tuning.config import TuningConfig
from tuning.patient_storage import StudyError
from tuning.storage import MANY, connect, is_sqlite

# Where runs and models go, and how they get there, must be the same in every worker.
PASSED_ON = ("MLFLOW_", "AWS_", "HEART_READER_")
# The launcher's own run is no worker's.
KEPT_BACK = ("MLFLOW_RUN_ID", "MLFLOW_CONDA_HOME")


def run_workers(tuning: TuningConfig, options: Mapping[str, str]) -> None:
    """Runs ``tuning.tune`` with these options in as many Ray tasks as the search has workers.

    Ray starts the task of a worker or node that died again, elsewhere if need be; the study hands
    it the trial that was lost.

    Raises:
        ConfigError: a storage for one worker, or no Ray.
        StudyError: the cluster or the storage can't be reached, or a worker failed.
    """
    if is_sqlite(tuning.storage):
        raise ConfigError(
            f"workers={tuning.workers} with storage {tuning.storage}: SQLite is for one worker, "
            f"give {MANY}"
        )
    ray = _import_ray()
    connect(tuning).engine.dispose()  # tells at once where it can't be reached
    alone = {k: v for k, v in options.items() if k.removeprefix("tuning.") != "workers"}
    alone |= {k: str(Path(v).absolute()) for k, v in alone.items() if _is_path(k, v)}
    _join_cluster(ray, tuning)
    try:
        work = ray.remote(num_cpus=tuning.cpus, num_gpus=tuning.gpus, max_retries=-1)(_work)
        files = _files(options)
        tasks = [work.remote({**alone, "workers": "1"}, files) for _ in range(tuning.workers)]
        codes = ray.get(tasks)
    except ray.exceptions.RayError as error:
        raise StudyError(f"cluster {tuning.cluster}: {_first_line(error)}") from error
    finally:
        ray.shutdown()
    if any(codes):
        failed = sum(code != 0 for code in codes)
        raise StudyError(f"{failed} of {len(codes)} workers failed; their lines are above")


def _is_path(key: str, value: str) -> bool:
    """Whether a worker, whose folder is another, would not find what is meant."""
    return key in {"data", "data.root", "features", "features.source"} and Path(value).exists()


def _files(options: Mapping[str, str]) -> dict[str, str]:
    """The texts of the YAML files among the options: only data need be shared between machines."""
    own = {key.removeprefix("tuning."): value for key, value in options.items()}
    return {
        key: Path(own[key]).read_text(encoding="utf-8")
        for key in ("space", "config")
        if Path(own.get(key, "")).suffix in {".yaml", ".yml"}
    }


def _tracking_uri() -> str:
    """The tracking store, wherever a worker's folder is."""
    uri = mlflow.get_tracking_uri()
    path = uri.removeprefix("sqlite:///")
    return uri if path == uri else f"sqlite:///{Path(path).absolute()}"


def _import_ray() -> ModuleType:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ConfigError(
            "workers above 1 need Ray: pip install -r requirements-ray.lock"
        ) from error
    module: ModuleType = ray
    return module


def _join_cluster(ray: ModuleType, tuning: TuningConfig) -> None:
    """Starts Ray on this machine, or joins a cluster and brings the code along."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key.startswith(PASSED_ON) and key not in KEPT_BACK
    }
    environment["MLFLOW_TRACKING_URI"] = _tracking_uri()
    packages = [str(REPOSITORY / name) for name in ("heart_reader", "tuning")]
    local = tuning.cluster == "local"
    try:
        ray.init(
            # "local" must not find a cluster that somebody else started here.
            address="local" if local else tuning.cluster,
            runtime_env={"env_vars": environment, "py_modules": packages},
            include_dashboard=False if local else None,
            log_to_driver=True,
        )
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise StudyError(
            f"cluster {tuning.cluster} can't be reached: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _work(options: dict[str, str], files: dict[str, str]) -> int:
    """What a Ray task runs: one worker, as if from a shell; gives its exit code."""
    from tuning import tune

    with tempfile.TemporaryDirectory() as folder:
        for key, text in files.items():
            path = Path(folder) / f"{key}.yaml"
            path.write_text(text, encoding="utf-8")
            options = {**options, key: str(path)}
        return run_entry(lambda: tune.run(options))
