"""The UI's searches with 10,000 runs in the platform's database.

python benchmarks/run_search.py --state .platform [--runs 10000] [--keep true]

The runs are copies of a real one (the newest that has ``val/macro_auc``) with other values, put
into an experiment of their own by SQL, and taken away again. Nothing else is done to the database:
what makes it quick (deploy/stores/tuning.sql, autovacuum) is the platform's. Beside the wall clock
stands what the server and PostgreSQL computed for a request, whatever else the machine did.
"""

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests
from psycopg2.extensions import cursor
from rich.console import Console
from rich.table import Table

from deploy.compose import host_variables, read_services, read_variables
from deploy.stores.databases import connect

LIMIT = 0.5  # seconds
REPEATS = 10
METRIC = "val/macro_auc"
EXPERIMENT = "benchmark of the run search"
SORTED = [f"metrics.`{METRIC}` DESC"]
BEST = f"metrics.`{METRIC}` > 0.9 and tags.`backbone` = 'se_resnet1d'"
# What is searched: order, filter, page.
SEARCHES: dict[str, dict[str, Any]] = {
    f"top 100 by {METRIC}, as the UI asks": {"order_by": SORTED},
    "the newest 100": {"order_by": ["attributes.start_time DESC"]},
    f"top 100 where {BEST}": {"order_by": SORTED, "filter": BEST},
}

# A copy's run_uuid says that it is one, and which.
COPY = """
INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, source_type, source_name,
                  lifecycle_stage, artifact_uri, experiment_id)
    SELECT {uuid}, name || ', ' || i, user_id, 'FINISHED', start_time + 60000 * i,
           end_time + 60000 * i, source_type, source_name, 'active', artifact_uri, %(experiment)s
    FROM runs, generate_series(1, %(runs)s) i WHERE run_uuid = %(source)s;
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
    SELECT key, value * (0.8 + 0.2 * random()), timestamp, step, is_nan, {uuid}
    FROM latest_metrics, generate_series(1, %(runs)s) i WHERE run_uuid = %(source)s;
INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid)
    SELECT key, value * (0.8 + 0.2 * random()), timestamp, step, is_nan, {uuid}
    FROM metrics, generate_series(1, %(runs)s) i WHERE run_uuid = %(source)s;
INSERT INTO params (key, value, run_uuid) SELECT key, value, {uuid}
    FROM params, generate_series(1, %(runs)s) i WHERE run_uuid = %(source)s;
INSERT INTO tags (key, value, run_uuid) SELECT key, value, {uuid}
    FROM tags, generate_series(1, %(runs)s) i WHERE run_uuid = %(source)s;
""".format(uuid="md5('copy ' || i)")


@dataclass(frozen=True)
class Server:
    """Where a platform answers, and its processes."""

    uri: str
    login: tuple[str, str]
    processes: Sequence[psutil.Process]

    def search(self, experiment: str, body: dict[str, Any]) -> int:
        """One search as the UI sends it; how many runs came."""
        answer = requests.post(
            f"{self.uri}/ajax-api/2.0/mlflow/runs/search",
            json={
                "experiment_ids": [experiment],
                "run_view_type": "ACTIVE_ONLY",
                "max_results": 100,
                **body,
            },
            auth=self.login,
            timeout=600,
        )
        answer.raise_for_status()
        return len(answer.json().get("runs", []))

    def cpu(self) -> dict[int, float]:
        """Seconds that each process of the server and of PostgreSQL has computed until now."""
        found = {}
        for parent in self.processes:
            for process in (parent, *parent.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):  # PostgreSQL's helpers come and go
                    times = process.cpu_times()
                    found[process.pid] = float(times.user + times.system)
        return found


def main() -> None:
    """Fills, measures, prints, and takes the copies away."""
    options = read_options()
    state, n_runs = options.state.resolve(), options.runs
    variables = host_variables(read_variables(state))
    os.environ.update(read_services(variables)["migrate"].environment)
    server = server_of(state, variables)
    with connect("mlflow") as database, database.cursor() as at:
        try:
            seconds, experiment = fill(at, n_runs)
            print(f"{n_runs:,} runs in {seconds:.0f} s")
            report(measure(server, experiment), n_runs)
        finally:
            if options.keep != "true":
                clear(at)


def read_options() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=".platform", help="the platform's folder")
    parser.add_argument("--runs", type=int, default=10_000, help="copies to make")
    parser.add_argument("--keep", choices=("true", "false"), default="false", help="the copies")
    return parser.parse_args()


def server_of(state: Path, variables: dict[str, str]) -> Server:
    """The platform in a folder."""
    pids = [int((state / "pids" / name).read_text()) for name in ("mlflow", "postgres")]
    uri = f"http://127.0.0.1:{variables.get('MLFLOW_PORT', '5000')}"
    login = ("admin", variables["ADMIN_PASSWORD"])
    return Server(uri, login, [psutil.Process(pid) for pid in pids])


# ---------------------------------------------------------------- copies


def fill(at: cursor, n_runs: int) -> tuple[float, str]:
    """Makes the copies in one transaction; its seconds, and the experiment's ID."""
    at.execute(
        "SELECT run_uuid FROM latest_metrics JOIN runs USING (run_uuid) WHERE key = %s "
        "ORDER BY start_time DESC LIMIT 1",
        (METRIC,),
    )
    found = at.fetchone()
    if found is None:
        raise SystemExit(f"there is no run with {METRIC} to copy: train one first")
    clear(at)
    started = time.monotonic()
    at.execute("BEGIN")
    at.execute(
        "INSERT INTO experiments (name, artifact_location, lifecycle_stage, workspace) "
        "VALUES (%s, 'mlflow-artifacts:/benchmark', 'active', 'default') RETURNING experiment_id",
        (EXPERIMENT,),
    )
    (experiment,) = at.fetchone()
    at.execute(COPY, {"experiment": experiment, "runs": n_runs, "source": found[0]})
    at.execute("COMMIT")
    return time.monotonic() - started, str(experiment)


def clear(at: cursor) -> None:
    """Takes the copies and their experiment away."""
    ours = "experiment_id IN (SELECT experiment_id FROM experiments WHERE name = %s)"
    # A copy hands on nothing else: these are the tables that it has rows in.
    for table in ("latest_metrics", "metrics", "params", "tags"):
        copies = f"SELECT run_uuid FROM runs WHERE {ours}"
        at.execute(f"DELETE FROM {table} WHERE run_uuid IN ({copies})", (EXPERIMENT,))
    at.execute(f"DELETE FROM runs WHERE {ours}", (EXPERIMENT,))
    at.execute("DELETE FROM experiments WHERE name = %s", (EXPERIMENT,))


# ---------------------------------------------------------------- figures


def measure(server: Server, experiment: str) -> dict[str, np.ndarray[Any, Any]]:
    """Wall-clock and computed seconds of each repeat, (REPEATS, 2), by search."""
    found = {}
    for name, body in SEARCHES.items():
        rows = []
        for _ in range(REPEATS):
            computed, started = server.cpu(), time.monotonic()
            server.search(experiment, body)
            seconds = time.monotonic() - started
            used = (value - computed.get(pid, 0) for pid, value in server.cpu().items())
            rows.append((seconds, sum(used)))
        found[name] = np.array(rows)
    return found


def report(found: dict[str, np.ndarray[Any, Any]], n_runs: int) -> None:
    """A row a search."""
    table = Table("search", "p50", "slowest", "computed", "of the limit", title=f"{n_runs:,} runs")
    for name, seconds in found.items():
        p50, slowest = np.median(seconds[:, 0]), seconds[:, 0].max()
        computed = np.median(seconds[:, 1])
        cells = (f"{p50:.2f} s", f"{slowest:.2f} s", f"{computed:.2f} s", f"{p50 / LIMIT:.2f}")
        table.add_row(name, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
