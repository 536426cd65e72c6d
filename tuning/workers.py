"""Several workers of a study at once, as Ray tasks on this machine or on a cluster.

Ray is no part of the environment: ``pip install -r requirements-ray.lock`` adds it.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import mlflow

from heart_reader.cli.entry import run_entry
from heart_reader.config.load import Config
from heart_reader.errors import ConfigError
from heart_reader.files import sqlite_file
from heart_reader.project import REPOSITORY
from tuning import plots
from tuning.config import TuneRequest, TuningConfig
from tuning.patient_storage import StudyError
from tuning.search import search_all
from tuning.storage import MANY, connect, is_sqlite
from tuning.tracking import set_up_shared_tracking

# Where runs and models go, and how they get there, must be the same in every worker.
PASSED_ON = ("MLFLOW_", "AWS_", "HEART_READER_")
# The launcher's own run is no worker's.
KEPT_BACK = ("MLFLOW_RUN_ID", "MLFLOW_CONDA_HOME")


def run_workers(request: TuneRequest) -> None:
    """Runs one worker in each of as many Ray tasks as the search has workers.

    Ray starts the task of a worker or node that died again, elsewhere if need be; the study hands
    it the trial that was lost.

    Raises:
        ConfigError: a storage for one worker, or no Ray.
        StudyError: the cluster or the storage can't be reached, or a worker failed.
    """
    tuning = request.tuning
    if is_sqlite(tuning.storage):
        raise ConfigError(
            f"workers={tuning.workers} with storage {tuning.storage}: SQLite is for one worker, "
            f"give {MANY}"
        )
    ray = _import_ray()
    connect(tuning).engine.dispose()  # tells at once where it can't be reached
    alone = replace(tuning, workers=1)
    configs = tuple(_findable(config) for config in request.configs)
    _join_cluster(ray, tuning)
    try:
        work = ray.remote(num_cpus=tuning.cpus, num_gpus=tuning.gpus, max_retries=-1)(_work)
        space = _space_text(tuning)
        tasks = [work.remote(TuneRequest(alone, configs), space) for _ in range(tuning.workers)]
        codes = ray.get(tasks)
    except ray.exceptions.RayError as error:
        raise StudyError(f"cluster {tuning.cluster}: {_first_line(error)}") from error
    finally:
        ray.shutdown()
    if any(codes):
        failed = sum(code != 0 for code in codes)
        raise StudyError(f"{failed} of {len(codes)} workers failed; their lines are above")


def _findable(config: Config) -> Config:
    """The same records and features for a worker, whose folder is another."""
    data = replace(config.data, root=_absolute(config.data.root))
    features = replace(config.features, source=_absolute(config.features.source))
    return replace(config, data=data, features=features)


def _absolute(word: str) -> str:
    return str(Path(word).absolute()) if Path(word).exists() else word


def _space_text(tuning: TuningConfig) -> str | None:
    """The space, where it is a user's own file: only data need be shared between machines."""
    path = Path(tuning.space)
    return path.read_text(encoding="utf-8") if path.suffix in {".yaml", ".yml"} else None


def _tracking_uri() -> str:
    """The tracking store, wherever a worker's folder is."""
    uri = mlflow.get_tracking_uri()
    path = sqlite_file(uri)
    return uri if path is None else f"sqlite:///{quote(str(path.absolute()))}"


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


def _work(request: TuneRequest, space: str | None) -> int:
    """What a Ray task runs: one worker, as if from a shell; gives its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        if space is not None:
            path = Path(folder) / "space.yaml"
            path.write_text(space, encoding="utf-8")
            request = replace(request, tuning=replace(request.tuning, space=str(path)))

        def work(words: Sequence[str]) -> None:
            set_up_shared_tracking()
            for study in search_all(request):
                plots.print_best(study)

        return run_entry(work)
