"""One step of the plan in a process of its own, under a claim: what ``sync`` starts.

python -m registry.sync.step --step heart-reader-ensemble:ensemble
"""

import os
from collections.abc import Sequence

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.request import config_request
from heart_reader.tracking import Run, new_run, session
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.delivery.outage import waits_for_store
from registry import claims
from registry.client import Registry, short_name
from registry.settings import load_settings
from registry.sync.plan import Step
from registry.sync.recorded import Followed
from registry.sync.steps import STEPS, SyncRequest, due

BUSY = 3  # exit code: somebody else is at it


def main(words: Sequence[str]) -> None:
    """Takes the claim, looks whether the step is still due, and does it."""
    options = dotted_options(words)
    key, parent = options.pop("step", ""), options.pop("parent", "none")
    settings, left = load_settings(options)
    request = SyncRequest(settings, config_request(left), ())
    tracking.set_up_tracking()
    registry = Registry()
    followed = Followed(registry, settings.sync, settings.gate)
    step = find(registry, key, followed)
    if step is None:
        return
    seconds = settings.sync.claim_seconds
    claim = claims.acquire(registry, step.model, step.work, seconds)
    if claim is None:
        raise SystemExit(BUSY)
    with claims.renewed(registry, claim, seconds):
        # Somebody may have done it between the look and the claim.
        if find(registry, key, followed) is not None:
            run_step(registry, step, claim, None if parent == "none" else parent, request)


def find(registry: Registry, key: str, followed: Followed) -> Step | None:
    """The step of that key, if it is due now."""
    return next((step for step in due(registry, followed) if step.key == key), None)


def run_step(
    registry: Registry, step: Step, claim: claims.Claim, parent: str | None, request: SyncRequest
) -> None:
    """Does a step in this process, in a run that carries the claim.

    Raises:
        SystemExit: the step's exit code, where it isn't 0.
    """
    tags = {claims.RUN_TAG: claim.token, "follows": step.work, "reason": step.reason}
    run = new_run(f"{step.entry} {short_name(step.model)}", tags, parent)
    # As under `mlflow run`: what opens a run next goes on with this one.
    os.environ["MLFLOW_RUN_ID"] = run.run_id
    session.keep_launcher()
    code = 1
    try:
        code = STEPS[step.entry].run(registry, step, request)
    finally:
        _close(run, code)
    if code:
        raise SystemExit(code)


def _close(run: Run, code: int) -> None:
    # A step that failed before it took the run up leaves it open.
    if run.status() == "RUNNING":
        waits_for_store(run.client.set_terminated)(run.run_id, "FAILED" if code else "FINISHED")


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
