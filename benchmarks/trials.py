"""What a trial costs beside its training: Optuna, MLflow, and trials/s of 1 and 2 workers.

python benchmarks/trials.py [--storage postgresql+psycopg2://USER@HOST/DATABASE] [--trials N]

A trial trains nothing: it draws the default space, reports ten epochs, and logs them. Without
``--storage`` SQLite alone is measured; ``--mlflow URI`` takes another tracking store than SQLite.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import mlflow
import optuna
from optuna.study import Study
from optuna.trial import Trial
from rich.console import Console
from rich.table import Table

from heart_reader.config.load import load_config
from heart_reader.tracking import Run
from tuning.config import load_tuning
from tuning.search import quiet
from tuning.search_space import load_space, suggest
from tuning.store.patient import BudgetSpentError, PatientStorage
from tuning.store.storage import connect
from tuning.study import make_sampler
from tuning.tracking import PointBuffer, StudyRun

EPOCHS = 10
METRICS = ("train/loss", "val/loss", "val/macro_auc", "lr", "epoch_seconds", "records_per_second")
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")


@dataclass
class Seconds:
    """Of all trials of a worker, or of one."""

    draw: float = 0.0
    report: float = 0.0
    mlflow: float = 0.0


def main() -> None:
    """Prints the table; a worker of the benchmark's own is the same script with ``--worker``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", help="a PostgreSQL database (default: SQLite alone)")
    parser.add_argument("--mlflow", help="a tracking store (default: SQLite)")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    quiet()
    if arguments.worker:
        storage = open_storage(arguments.storage, arguments.trials)
        study = optuna.load_study(study_name=arguments.worker, storage=storage)
        study.sampler = make_sampler(load_tuning("default", {}), os.getpid())
        work(study, StudyRun(study.user_attrs["parent"]), Seconds())
        return
    with tempfile.TemporaryDirectory() as folder:
        uri = arguments.mlflow or f"sqlite:///{folder}/mlflow.db"
        os.environ["MLFLOW_TRACKING_URI"] = uri
        mlflow.set_experiment("benchmark")
        rows = [measure(f"sqlite:///{folder}/tuning.db", 1, arguments.trials)]
        if arguments.storage:
            rows += [measure(arguments.storage, n, arguments.trials) for n in (1, 2)]
    print_table(rows)


def open_storage(url: str, trials: int) -> PatientStorage:
    """A storage that hands out so many trials."""
    storage = connect(load_tuning("default", {"storage": url}))
    storage.budget = trials
    return storage


def measure(url: str, n_workers: int, trials: int) -> tuple[str, int, float, Seconds, float]:
    """Storage, workers, seconds a trial, its parts, and trials/s of all workers together."""
    storage = open_storage(url, trials)
    name = f"benchmark-{time.time_ns()}"
    sampler = make_sampler(load_tuning("default", {}), 0)
    study = optuna.create_study(storage=storage, study_name=name, sampler=sampler)
    with mlflow.start_run() as parent:
        study.set_user_attr("parent", parent.info.run_id)
        spent, started = Seconds(), time.perf_counter()
        if n_workers == 1:
            work(study, StudyRun(parent.info.run_id), spent)
            spent = Seconds(*(part / trials for part in vars(spent).values()))
            seconds = time.perf_counter() - started
        else:
            seconds = work_together(url, name, trials, n_workers)
    kind = url.partition("+")[0].partition(":")[0]
    return kind, n_workers, seconds * n_workers / trials, spent, trials / seconds


def work(study: Study, parent: StudyRun, spent: Seconds) -> None:
    """Trials until the budget is spent."""
    config = load_config("default", {"backbone": "se_resnet1d"})
    space = load_space("default", config)

    def objective(trial: Trial) -> float:
        started = time.perf_counter()
        suggest(trial, config, space)
        drawn = time.perf_counter()
        run = parent.child(f"trial {trial.number}", {"trial": str(trial.number)})
        run.start_trial(trial.params)
        points = PointBuffer(run)
        logged = time.perf_counter()
        for epoch in range(EPOCHS):
            trial.report(0.5 + epoch / 100, epoch)
            trial.should_prune()
        reported = time.perf_counter()
        for epoch in range(EPOCHS):
            points(epoch, dict.fromkeys((*METRICS, *CLASSES), 0.5))
        points.send()
        Run(run.run_id).set_tags({"state": "complete"})
        run.set_status("FINISHED")
        spent.draw += drawn - started
        spent.report += reported - logged
        spent.mlflow += (logged - drawn) + time.perf_counter() - reported
        return 0.9 - trial.number / 1000

    while True:
        try:
            study.optimize(objective, n_trials=1)
        except BudgetSpentError:
            return


def work_together(url: str, name: str, trials: int, n_workers: int) -> float:
    """Seconds of several processes, from the first trial's beginning to the last one's end."""
    command = [
        sys.executable,
        __file__,
        "--storage",
        url,
        "--trials",
        str(trials),
    ]
    workers = [subprocess.Popen([*command, "--worker", name]) for _ in range(n_workers)]
    if any(worker.wait() for worker in workers):
        raise SystemExit("a worker of the benchmark failed")
    done = optuna.load_study(study_name=name, storage=open_storage(url, 0)).trials
    first = min(trial.datetime_start for trial in done if trial.datetime_start)
    last = max(trial.datetime_complete for trial in done if trial.datetime_complete)
    return (last - first).total_seconds()


def print_table(rows: list[tuple[str, int, float, Seconds, float]]) -> None:
    """A row a storage and number of workers."""
    head = (
        "storage",
        "workers",
        "ms a trial",
        "draw",
        "report",
        "MLflow",
        "ask, tell",
        "trials/s",
    )
    table = Table(*head, title=f"Cost of a trial of {EPOCHS} epochs beside its training")
    for kind, n_workers, seconds, spent, rate in rows:
        cells = [""] * 4
        if n_workers == 1:
            each = [spent.draw, spent.report, spent.mlflow]
            cells = [f"{1000 * value:.0f}" for value in (*each, seconds - sum(each))]
        table.add_row(kind, str(n_workers), f"{1000 * seconds:.0f}", *cells, f"{rate:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
