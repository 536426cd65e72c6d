"""One step of the plan in a process of its own, under a claim: what ``sync`` starts.

python -m registry.sync.step --step heart-reader-ensemble:ensemble
"""

import os
import runpy
import sys

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError
from heart_reader.tracking import Run, new_run
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.delivery.outage import patient
from registry import claims
from registry.client import Registry, short_name
from registry.settings import full_key, load_settings
from registry.sync.plan import Step, due, modules

BUSY = 3  # exit code: somebody else is at it
# The section of our settings that an entry point takes; the science's own options go to all.
SECTIONS = {"ensemble": "ensemble.", "promote": "gate.", "export": "edge."}


def main() -> None:
    """Takes the claim, looks whether the step is still due, and runs its entry point."""
    options = dotted_options(sys.argv[1:])
    key, parent = options.pop("step", ""), options.pop("parent", "none")
    settings, _ = load_settings(options)
    tracking.set_up_tracking()
    registry = Registry()
    step = find(registry, key)
    if step is None:
        return
    seconds = settings.sync.claim_seconds
    claim = claims.acquire(registry, step.model, step.work, seconds)
    if claim is None:
        raise SystemExit(BUSY)
    with claims.renewed(registry, claim, seconds):
        # Somebody may have done it between the look and the claim.
        if find(registry, key) is not None:
            run_step(step, claim, parent, options)


def find(registry: Registry, key: str) -> Step | None:
    """The step of that key, if it is due now."""
    return next((step for step in due(registry) if step.key == key), None)


def run_step(step: Step, claim: claims.Claim, parent: str, options: dict[str, str]) -> None:
    """Runs the entry point in this process, in a run that carries the claim.

    Raises:
        ConfigError: the entry point isn't a Python module of MLproject.
        SystemExit: what the entry point ends with.
    """
    module = modules().get(step.entry)
    if module is None:
        raise ConfigError(f"MLproject has no entry point {step.entry!r} of a Python module")
    tags = {claims.RUN_TAG: claim.token, "follows": step.work, "reason": step.reason}
    name = f"{step.entry} {short_name(step.model)}"
    run = new_run(name, tags, None if parent == "none" else parent)
    # As under `mlflow run`: the entry point goes on with this run.
    os.environ["MLFLOW_RUN_ID"] = run.run_id
    given = dict(step.options) | options_of(step.entry, options)
    sys.argv = [module, *(word for key, value in given.items() for word in (f"--{key}", value))]
    code: object = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code
        raise
    finally:
        _close(run, code)


def options_of(entry: str, options: dict[str, str]) -> dict[str, str]:
    """Those of sync's options that an entry point knows."""
    _, science = load_settings(options)
    own = SECTIONS.get(entry)
    mine = {k: v for k, v in options.items() if own and full_key(k).startswith(own)}
    return science | mine


def _close(run: Run, code: object) -> None:
    # An entry point that failed before it took the run up leaves it open.
    if run.status() == "RUNNING":
        status = "FINISHED" if code in (0, None) else "FAILED"
        patient(run.client.set_terminated)(run.run_id, status)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
