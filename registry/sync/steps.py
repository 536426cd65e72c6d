"""The kinds of follow-on runs: when one is due, what it does. A new one is a line in `STEPS`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from heart_reader.config.request import ConfigRequest
from heart_reader.errors import RefusedByGateError
from heart_reader.evaluate import evaluate, test_request
from heart_reader.predictions.place import require_place
from heart_reader.tracking import resolve_version
from registry.client import Registry
from registry.ensemble.make import EnsembleRequest, make_ensemble
from registry.export import ExportRequest, export
from registry.gate.promote import REFUSED, PromoteRequest, promote
from registry.model_card import write_card
from registry.settings import Settings
from registry.sync.plan import (
    State,
    Step,
    card_due,
    ensemble_due,
    evaluate_due,
    export_due,
    monitor_due,
    promote_due,
)
from registry.sync.recorded import Followed
from registry.watch.monitor import MonitorRequest, monitor


@dataclass(frozen=True)
class SyncRequest:
    """What a user asks of every follow-on run.

    Attributes:
        settings: of the follow-on runs.
        config: what is asked of the configuration.
        words: the command line that said so, for the processes of the steps.
    """

    settings: Settings
    config: ConfigRequest
    words: tuple[str, ...]


@dataclass(frozen=True)
class StepKind:
    """One kind of follow-on run.

    Attributes:
        due: the steps of this kind that are missing.
        run: does one, and gives the exit code.
        needs_data: it reads records; the others make do with predictions that were logged.
        in_process: it needs no process, run or claim of its own: two at once do no harm.
    """

    due: Callable[[State], list[Step]]
    run: Callable[[Registry, Step, SyncRequest], int]
    needs_data: bool = False
    in_process: bool = False


def due(registry: Registry, followed: Followed) -> list[Step]:
    """Every missing step, in the order in which they are to be done; each task by itself."""
    states = _states(registry, followed)
    return [step for state in states for kind in STEPS.values() for step in kind.due(state)]


def lacking(registry: Registry, followed: Followed) -> list[str]:
    """Why a task with a champion gets no ensemble, which champions aren't followed, and which
    ensemble isn't judged yet."""
    states = _states(registry, followed)
    said = [doubt for state in states for doubt in [*state.doubts, state.unripe] if doubt]
    return said + [
        f"{len(state.champions)} champion ({', '.join(v.name for v in state.champions)}); an "
        "ensemble needs 2: promote another backbone, -P model=all takes every candidate"
        for state in states
        if len(state.champions) == 1
    ]


def _states(registry: Registry, followed: Followed) -> list[State]:
    tasks = registry.tasks()
    return [State(registry, task, followed.doubt, followed.early) for task in tasks]


# ---------------------------------------------------------------- what each does


def _ensemble(registry: Registry, step: Step, request: SyncRequest) -> int:
    make_ensemble(
        registry, EnsembleRequest(step.target, request.config, request.settings.ensemble)
    )
    return 0


def _promote(registry: Registry, step: Step, request: SyncRequest) -> int:
    asked = PromoteRequest(step.target, None, request.config, request.settings.gate)
    return 0 if promote(registry, asked) else REFUSED


def _card(registry: Registry, step: Step, request: SyncRequest) -> int:
    write_card(registry, resolve_version(step.target))
    return 0


def _evaluate(registry: Registry, step: Step, request: SyncRequest) -> int:
    evaluate(test_request(step.target, request.config))
    return 0


def _export(registry: Registry, step: Step, request: SyncRequest) -> int:
    try:
        export(ExportRequest(step.target, request.config, request.settings.edge))
    except RefusedByGateError as error:
        print(f"refused, and not tried again: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _monitor(registry: Registry, step: Step, request: SyncRequest) -> int:
    asked = MonitorRequest(step.target, None, request.config, request.settings.monitor)
    monitor(registry, asked, require_place("monitor"))
    return 0  # an alert is no failure of the step


STEPS = {
    "ensemble": StepKind(ensemble_due, _ensemble),
    "promote": StepKind(promote_due, _promote),
    "card": StepKind(card_due, _card, in_process=True),
    "evaluate": StepKind(evaluate_due, _evaluate, needs_data=True),
    "export": StepKind(export_due, _export, needs_data=True),
    "monitor": StepKind(monitor_due, _monitor),
}
