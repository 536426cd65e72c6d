"""Starts the MLflow UI of this machine's store, light, and says where the runs are.

python -m heart_reader.tracking.ui --port 5001

One worker, and none of the processes that MLflow keeps for jobs: 0.5 instead of 3 GB.
"""

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import closing

import mlflow
from mlflow import MlflowClient

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError, TrackingError
from heart_reader.files import expanded_uri, natural
from heart_reader.tracking.delivery.outage import store_errors
from heart_reader.tracking.experiment import VIEW, VIEWS
from heart_reader.tracking.fresh import make_store
from heart_reader.tracking.runs import EXPERIMENT

OPTIONS = {"host": "127.0.0.1", "port": "5000"}
TRAINING_VIEW, SHARED = "workflowType=machine_learning", "viewStateShareKey"
SORTED = f"orderByKey=metrics.%60val%2Fmacro_auc%60&orderByAsc=false&{TRAINING_VIEW}"
LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def main(words: Sequence[str]) -> None:
    """Reads the options, makes the store where there is none, and becomes the server.

    Raises:
        ConfigError: unknown options, or a port that is none.
        TrackingError: somebody else has the port.
    """
    given = dotted_options(words)
    if unknown := sorted(set(given) - set(OPTIONS)):
        raise ConfigError(f"ui takes {', '.join(OPTIONS)}, but was given {', '.join(unknown)}")
    host, port = (OPTIONS | given)["host"], _port((OPTIONS | given)["port"])
    require_free(host, port)
    uri = expanded_uri(os.environ.get("MLFLOW_BACKEND_STORE_URI", "sqlite:///mlflow.db"))
    with store_errors():
        make_store(uri)
        for what, where in pages(uri).items():
            print(f"{what}:  http://{host}:{port}/{where}", flush=True)
    server = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    server += ["--host", host, "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, server, os.environ | LIGHT)


def pages(uri: str) -> dict[str, str]:
    """Where the UI shows the experiment's runs, sorted, and its saved views; else its front."""
    mlflow.set_tracking_uri(uri)
    found = MlflowClient().get_experiment_by_name(EXPERIMENT)
    if found is None:
        return {"no runs yet": ""}
    runs = f"#/experiments/{found.experiment_id}/runs?"
    views = {
        view.title: f"{runs}{SHARED}={key}&{TRAINING_VIEW}"
        for key, view in VIEWS.items()
        if VIEW + key in found.tags
    }
    return views | {"All runs, the best first": f"{runs}{SORTED}"}


def require_free(host: str, port: int) -> None:
    """Asks before MLflow does, which would say it in thirty lines.

    Raises:
        TrackingError: it is taken.
    """
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise TrackingError(
                f"port {port} of {host} is taken, maybe by a UI that runs already: give another, "
                f"make ui PORT={port + 1} ({error.strerror})"
            ) from error


def _port(word: str) -> int:
    port = natural(word)
    if port is None or not 0 < port < 65536:
        raise ConfigError(f"port must be a number from 1 to 65535, but is {word!r}")
    return port


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
