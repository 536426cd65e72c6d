"""Entry point ``doctor``: finds what a crash or an outage left behind, and repairs it on demand.

python -m registry.doctor.examine
python -m registry.doctor.examine --fix true
python -m registry.doctor.examine --close RUN_ID,RUN_ID
"""

import time
from collections.abc import Sequence

import mlflow
from mlflow import MlflowClient
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from heart_reader.cli.entry import dotted_options, run_entry, truth
from heart_reader.errors import ConfigError, TrackingError
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.fresh import half_made, set_aside
from registry.client import Registry, registered_models
from registry.doctor import models as inventory
from registry.doctor.runs import Remnant, close_run, dead_runs, left_spools

FAILED = "failed"
OPTIONS = {"fix": "false", "close": "none", "delete": "false"}


def main(words: Sequence[str]) -> None:
    """Reads the options, looks, prints the table; repairs with ``fix``."""
    given = dotted_options(words)
    if unknown := sorted(set(given) - set(OPTIONS)):
        raise ConfigError(f"doctor takes {', '.join(OPTIONS)}, but was given {', '.join(unknown)}")
    options = OPTIONS | given
    fix, delete = (truth(name, options[name]) for name in ("fix", "delete"))
    if half_made(mlflow.get_tracking_uri()):
        mend_store(mlflow.get_tracking_uri(), fix)
    changes = fix or options["close"] != "none"
    (tracking.set_up_tracking if changes else tracking.set_up_reading)()
    if options["close"] != "none":
        close(options["close"].split(","))
    failed = treat(examine(delete), fix)
    if failed:
        raise TrackingError(f"not repaired: {', '.join(failed)}")


def mend_store(uri: str, fix: bool) -> None:
    """Puts a whole store in the place of one that MLflow was killed making.

    Raises:
        TrackingError: there is one, and nothing is to be changed.
    """
    if not fix:
        raise TrackingError(f"store {uri} was never finished and holds nothing: give --fix true")
    print(f"store {uri} was never finished: set aside as {set_aside(uri)}, made anew", flush=True)


def examine(delete: bool) -> list[Remnant]:
    """Everything that isn't as it should be; spools first, since they may end runs."""
    registry = Registry()
    models = registered_models(registry.client)
    return [
        *left_spools(registry.client),
        *dead_runs(registry.client),
        *inventory.dead_claims(registry, models),
        *inventory.lost_aliases(registry.client, models),
        *inventory.broken_versions(registry.client, models),
        *inventory.orphans(registry.client, delete),
    ]


def treat(remnants: Sequence[Remnant], fix: bool) -> list[str]:
    """Repairs what can be, where ``fix``, and prints the table; gives what couldn't be."""
    if not remnants:
        print("all is well: nothing was left behind", flush=True)
        return []
    table = Table("what", "which", "problem", "done" if fix else "repair", title="Left behind")
    failed = []
    for found in remnants:
        done = repaired(found) if fix else found.remedy
        if done.startswith(FAILED):
            failed.append(f"{found.kind} {found.name}")
        table.add_row(*map(escape, (found.kind, found.name, found.problem, done)))
    Console().print(table)
    for command in dict.fromkeys(found.command for found in remnants if found.command):
        print(f"to go on: {command}", flush=True)
    if not fix and any(found.repair is not None for found in remnants):
        print("nothing was changed; repair with: mlflow run . -e doctor -P fix=true", flush=True)
    return failed


def repaired(found: Remnant) -> str:
    """What a repair did, or why it didn't."""
    if found.repair is None:
        return f"yours to decide: {found.remedy}"
    try:
        return found.repair()
    except TrackingError as error:
        return f"{FAILED}: {error}"


def close(run_ids: Sequence[str]) -> None:
    """Ends runs that the user knows to be dead."""
    client = MlflowClient()
    for run_id in run_ids:
        run = tracking.find_run(run_id.strip())
        done = close_run(client, run.run_id, "closed by hand", int(time.time() * 1000))
        print(f"run {run.run_id}: {done}", flush=True)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
