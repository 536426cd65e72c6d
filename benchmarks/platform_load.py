"""Several trainings at once on a platform whose servers are killed meanwhile: nothing may be lost.

python benchmarks/platform_load.py --state .platform [--processes 8] [--epochs 5]
    [--kill mlflow,postgres,objects] [--seconds 20]

All trainings have one seed and one configuration, so that on a CPU all say the same: the first
runs alone, undisturbed, and the others must have each of its points and artifacts, byte for byte
where a file holds no run's ID or time. A server is killed (SIGKILL, with its children) and kept
down by halting the supervisor.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
from rich.console import Console
from rich.table import Table

from deploy.compose import REPOSITORY, host_variables, read_variables
from deploy.users import Admin
from heart_reader.files import cache_folder

USER = "load"
SECONDS_TO_COME_BACK = 120
SMALL = {
    "config": "demo",
    "backbone": "se_resnet1d",
    "data.demo_records": "200",
    "model.se_resnet1d.width": "16",
    "training.batch_size": "32",
    "evaluation.n_resamples": "20",
    "evaluation.n_sheets": "1",
}
# What says the same of every training; seconds, rates and the machine's own figures don't.
COMPARED = ("train/", "val/")
TIMED = ("second", "per_s", "lr_time")
# Pictures are drawn, predictions and weights computed, from nothing but seed and data.
EXACT = (".png", ".parquet", ".safetensors", ".yaml")


@dataclass(frozen=True)
class Load:
    """A platform and a user of it."""

    state: Path
    uri: str
    login: tuple[str, str]

    @property
    def experiment(self) -> str:
        """Of this call alone: what earlier calls left is not compared."""
        return f"trainings of {self.login[0]}"

    def get(self, path: str) -> requests.Response:
        """One request, repeated while a server that was killed comes back."""
        until = time.monotonic() + SECONDS_TO_COME_BACK
        while True:
            answer = requests.get(f"{self.uri}/api/2.0/{path}", auth=self.login, timeout=600)
            if answer.status_code < 500 or time.monotonic() > until:
                answer.raise_for_status()
                return answer
            time.sleep(1)

    def train(self, number: int, epochs: int) -> "subprocess.Popen[bytes]":
        """Starts a training."""
        folder = self.state / "load" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        options = SMALL | {"training.epochs": str(epochs)}
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        own = {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": self.login[0],
            "MLFLOW_TRACKING_PASSWORD": self.login[1],
            "MLFLOW_EXPERIMENT_NAME": self.experiment,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(REPOSITORY),
            "HEART_READER_CACHE": str(cache_folder()),
        }
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "heart_reader.train", *words],
                cwd=folder,
                env=os.environ | own,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def runs(self) -> list[dict[str, object]]:
        """All runs of the trainings, the oldest first."""
        path = f"mlflow/experiments/get-by-name?experiment_name={self.experiment}"
        found = self.get(path).json()
        body = {
            "experiment_ids": [found["experiment"]["experiment_id"]],
            "order_by": ["attributes.start_time ASC"],
        }
        answer = requests.post(
            f"{self.uri}/api/2.0/mlflow/runs/search", json=body, auth=self.login, timeout=600
        )
        answer.raise_for_status()
        runs: list[dict[str, object]] = answer.json()["runs"]
        return runs

    # ------------------------------------------------------------ what a run has

    def points(self, run: dict) -> dict[str, list[tuple[int, float]]]:
        """Each step and value of the metrics that every training must have alike."""
        run_id, found = run["info"]["run_id"], {}
        for metric in run["data"]["metrics"]:
            key = metric["key"]
            if key.startswith(COMPARED) and not any(word in key for word in TIMED):
                path = f"mlflow/metrics/get-history?run_id={run_id}&metric_key={key}"
                points = self.get(path).json()["metrics"]
                found[key] = sorted((int(p["step"]), float(p["value"])) for p in points)
        return found

    def artifacts(self, run: dict, folder: str = "") -> dict[str, str]:
        """Hash of each artifact, or its presence where it isn't the same of every training."""
        run_id, uri = run["info"]["run_id"], run["info"]["artifact_uri"]
        base, found = uri.removeprefix("mlflow-artifacts:/"), {}
        listed = self.get(f"mlflow/artifacts/list?run_id={run_id}&path={folder}").json()
        for item in listed.get("files", []):
            if item.get("is_dir"):
                found |= self.artifacts(run, item["path"])
                continue
            path = f"mlflow-artifacts/artifacts/{base}/{item['path']}"
            content = self.get(path).content
            exact = item["path"].endswith(EXACT) and "checkpoint" not in item["path"]
            found[item["path"]] = hashlib.sha256(content).hexdigest() if exact else "there"
        return found


def main() -> None:
    """One training alone, several with the servers killed, and the comparison."""
    options = read_options()
    state, n, epochs = options.state.resolve(), options.processes, options.epochs
    killed = [name for name in options.kill.split(",") if name != "none"]
    load = make_load(state)
    if load.train(0, epochs).wait():
        raise SystemExit(f"the undisturbed training failed: {state / 'load' / '0' / 'log'}")
    started = time.monotonic()
    processes = [load.train(number, epochs) for number in range(1, n + 1)]
    wait_for_epochs(load, n)
    for name in killed:
        outage(state, name, options.seconds, processes)
    codes = [process.wait() for process in processes]
    print(f"{n} trainings in {time.monotonic() - started:.0f} s, exit codes {codes}")
    raise SystemExit(0 if compare(load, n) else 1)


def read_options() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=".platform", help="the platform's folder")
    parser.add_argument("--processes", type=int, default=8, help="trainings at once")
    parser.add_argument("--epochs", type=int, default=5, help="of each")
    parser.add_argument("--kill", default="none", help="servers, with commas, one after the other")
    parser.add_argument("--seconds", type=float, default=20, help="that a server is kept down")
    return parser.parse_args()


def make_load(state: Path) -> Load:
    """The platform in a folder, with a user of its own."""
    variables = host_variables(read_variables(state))
    port = variables.get("MLFLOW_PORT", "5000")
    admin = Admin(f"http://127.0.0.1:{port}", variables["ADMIN_PASSWORD"])
    name = f"{USER}{int(time.time())}"
    password = admin.make_user(name)
    admin.set_role(name, "member")
    return Load(state, admin.uri, (name, password))


def wait_for_epochs(load: Load, n: int) -> None:
    """Until each training has logged an epoch: an outage before that would prove little."""
    while True:
        logged = [run["data"].get("metrics", []) for run in load.runs()[1:]]
        begun = sum(any(m["key"] == "val/macro_auc" for m in metrics) for metrics in logged)
        if begun >= n:
            return
        time.sleep(1)


def outage(state: Path, name: str, seconds: float, processes: Sequence[subprocess.Popen]) -> None:
    """Kills a server and keeps it down."""
    supervisor = psutil.Process(int((state / "pids" / name).read_text())).parent()
    family = [psutil.Process(int((state / "pids" / name).read_text()))]
    family += family[0].children(recursive=True)
    supervisor.send_signal(signal.SIGSTOP)
    try:
        for process in family:
            process.kill()
        alive = sum(process.poll() is None for process in processes)
        print(f"{time.strftime('%H:%M:%S')} {name} killed, {alive} trainings run", flush=True)
        time.sleep(seconds)
    finally:
        supervisor.send_signal(signal.SIGCONT)
    time.sleep(seconds)  # for it to come back


def compare(load: Load, n: int) -> bool:
    """A row a training; whether all are as the undisturbed one."""
    first, *others = load.runs()
    points, artifacts = load.points(first), load.artifacts(first)
    table = Table("training", "status", "points", "artifacts", "differ")
    total = sum(map(len, points.values()))
    table.add_row("undisturbed", first["info"]["status"], str(total), str(len(artifacts)), "")
    good = len(others) == n
    for number, run in enumerate(others, 1):
        theirs, files = load.points(run), load.artifacts(run)
        wrong = [key for key in points if theirs.get(key) != points[key]]
        wrong += [path for path in artifacts if files.get(path) != artifacts[path]]
        status = run["info"]["status"]
        good = good and status == "FINISHED" and not wrong
        count = str(sum(map(len, theirs.values())))
        table.add_row(str(number), status, count, str(len(files)), ", ".join(wrong[:3]))
    Console(width=140).print(table)
    return good


if __name__ == "__main__":
    main()
