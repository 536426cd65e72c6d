"""How a trial ends: the one place that says what the study is told, and what its run shows."""

from dataclasses import dataclass

import torch
from optuna.exceptions import TrialPruned
from optuna.trial import TrialState

from heart_reader.errors import DivergenceError
from tuning.store.patient import StudyError


class HandedBackError(BaseException):
    """The worker stops before its trial is done; not an ``Exception``: the trial hasn't failed."""


class TakenError(Exception):
    """Another worker took the trial over, since this one gave no sign of life for too long."""


@dataclass(frozen=True)
class Outcome:
    """What became of one worker's work on a trial.

    Attributes:
        told: the state that the study is told; WAITING hands the trial back, and ``None`` leaves
            it as it is there.
        status: of the MLflow run.
        tags: of the MLflow run.
        value: of a complete trial.
    """

    told: TrialState | None
    status: str
    tags: dict[str, str]
    value: float | None = None


COMPLETE = Outcome(TrialState.COMPLETE, "FINISHED", {"state": "complete"})
PRUNED = Outcome(TrialState.PRUNED, "FINISHED", {"state": "pruned", "pruned": "true"})
HANDED_BACK = Outcome(TrialState.WAITING, "KILLED", {"state": "handed back"})
TAKEN = Outcome(None, "KILLED", {"state": "taken over by another worker"})
DEAD = Outcome(None, "KILLED", {"state": "killed"})
AWAY = Outcome(None, "KILLED", {"state": "killed", "error": "the study's storage stayed away"})


def outcome_of(error: BaseException) -> Outcome:
    """How a trial ends that an error ended, if it is still this worker's."""
    if isinstance(error, TrialPruned):
        return PRUNED
    if isinstance(error, DivergenceError | torch.OutOfMemoryError):
        # The fault of the values that were drawn: the sampler is to keep away from them.
        return Outcome(PRUNED.told, PRUNED.status, PRUNED.tags | {"error": str(error)})
    if isinstance(error, StudyError):
        return AWAY  # nothing can be told: the trial is retried when the storage is back
    if not isinstance(error, Exception):
        return HANDED_BACK  # a signal, or the time is up
    tags = {"state": "failed", "error": f"{type(error).__name__}: {error}"}
    return Outcome(TrialState.FAIL, "FAILED", tags)


def outcome_in_study(state: TrialState | None) -> Outcome:
    """How a run ends whose worker died, by what the study has of its trial.

    Args:
        state: a final one; ``None``: the study doesn't have the trial.
    """
    if state == TrialState.COMPLETE:
        return COMPLETE
    return PRUNED if state == TrialState.PRUNED else DEAD
