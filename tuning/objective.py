"""One trial: a fit that reports every epoch, can be pruned, and goes on where it was killed."""

import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from optuna.exceptions import ExperimentalWarning, TrialPruned, UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import Trial, TrialState

from heart_reader.cli import InterruptedBySignal
from heart_reader.config import Config
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import TRAIN_FOLDS
from heart_reader.errors import DataError, DivergenceError
from heart_reader.fitting import FOLD_9, Prepared, Split, make_trainer, prepare
from heart_reader.training.callbacks import CheckpointWriter
from heart_reader.training.checkpoint import load_checkpoint
from heart_reader.training.trainer import Metrics, Trainer
from tuning.config import TuningConfig
from tuning.patient_storage import PatientStorage
from tuning.search_space import SearchSpace, suggest
from tuning.tracking import PointBuffer, StudyRun

RUN = "mlflow_run"  # the trial's attribute that names its run


class HandedBackError(BaseException):
    """The worker stops before its trial is done; not an ``Exception``: the trial hasn't failed."""


class TakenError(BaseException):
    """Another worker took the trial over, since this one gave no sign of life for too long."""


def splits(tuning: TuningConfig, records: Records) -> list[Split]:
    """Fold 9 against folds 1 to 8; or, so that fold 9 stays clean, parts of 1 to 8 in turn.

    Raises:
        DataError: a patient is in two of the folds 1 to 8.
    """
    if tuning.objective == "fold9":
        return [FOLD_9]
    rows = records.metadata[records.metadata["strat_fold"].isin(TRAIN_FOLDS)]
    counts = rows.groupby("patient_id")["strat_fold"].nunique()
    if (counts > 1).any():
        patient = counts.index[counts > 1][0]
        raise DataError(
            f"patient {patient} is in two of the folds 1 to 8: objective=cv would learn from "
            "patients that it is judged on"
        )
    size = len(TRAIN_FOLDS) // tuning.cv_splits
    parts = [TRAIN_FOLDS[i : i + size] for i in range(0, len(TRAIN_FOLDS), size)]
    return [Split(tuple(f for f in TRAIN_FOLDS if f not in part), part) for part in parts]


@dataclass(frozen=True)
class Search:
    """All that the trials of one worker share."""

    study: Study
    storage: PatientStorage
    config: Config
    space: SearchSpace
    tuning: TuningConfig
    prepared: Sequence[Prepared]
    parent: StudyRun
    folder: Path
    deadline: float  # monotonic


def prepare_splits(tuning: TuningConfig, records: Records) -> list[Prepared]:
    """What each split's normaliser and encoder are fitted on."""
    return [prepare(records, split) for split in splits(tuning, records)]


class Objective:
    """Called by Optuna with a trial; gives the macro AUC, the mean over splits."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def __call__(self, trial: Trial) -> float:
        """Trains the trial's configuration in an MLflow run of its own.

        Raises:
            TrialPruned: it lags behind, or its loss diverged.
            TakenError: another worker has it now.
        """
        started = time.perf_counter()
        config = suggest(trial, self.search.config, self.search.space)
        previous = trial.user_attrs.get(RUN)  # of the worker that died, where this is a retry
        run = self._open_run(trial, config)
        fit = TrialFit(self.search, trial, run, previous)
        fit.points.seconds += time.perf_counter() - started
        status, tags = "FAILED", {"state": "failed"}
        try:
            value = fit.run_splits(config)
            status, tags = "FINISHED", {"state": "complete"}
            fit.points.add({"value": value}, 0)
            fit.drop_checkpoints()
        except TrialPruned:
            status, tags = "FINISHED", {"state": "pruned", "pruned": "true"}
            fit.drop_checkpoints()
            raise
        except (DivergenceError, torch.OutOfMemoryError) as error:
            # The fault of the values that were drawn: the sampler is to keep away from them.
            status, tags = "FINISHED", {"state": "pruned", "pruned": "true", "error": str(error)}
            raise TrialPruned(str(error)) from error
        except UpdateFinishedTrialError as error:
            status, tags = "KILLED", {"state": "taken over by another worker"}
            raise TakenError from error
        except (HandedBackError, InterruptedBySignal):
            status, tags = "KILLED", {"state": "handed back"}
            fit.hand_back()
            raise
        finally:
            fit.close(status, tags, time.perf_counter() - started)
        return value

    def _open_run(self, trial: Trial, config: Config) -> StudyRun:
        original = RetryHeartbeatStaleTrialCallback.retried_trial_number(
            trial._cached_frozen_trial
        )
        tags = {"trial": str(trial.number), "state": "running"}
        tags |= {"backbone": config.model.backbone, "study": self.search.study.study_name}
        if original is not None:
            tags["retry_of"] = str(original)
        run = self.search.parent.child(f"trial {trial.number}", tags)
        run.start_trial(trial.params)
        trial.set_user_attr(RUN, run.run_id)
        return run


class TrialFit:
    """The fits of one trial, one a split, and what is kept of them.

    Args:
        search: what the trials share.
        trial: Optuna's.
        run: its MLflow run.
        previous: the run of the worker that died with this trial, or ``None``.
    """

    def __init__(self, search: Search, trial: Trial, run: StudyRun, previous: str | None) -> None:
        self.search, self.trial, self.run, self.previous = search, trial, run, previous
        original = RetryHeartbeatStaleTrialCallback.retried_trial_number(
            trial._cached_frozen_trial
        )
        self.folder = search.folder / str(trial.number if original is None else original)
        self.points = PointBuffer(run)
        self._bests: list[float] = []  # of the splits that are done
        self._trained = 0.0  # seconds in epochs
        self._writer: CheckpointWriter | None = None

    def run_splits(self, config: Config) -> float:
        """The mean over splits of the best macro AUC."""
        for index, prepared in enumerate(self.search.prepared):
            trainer = make_trainer(prepared, config)
            place = f"checkpoints/split{index}"
            self._writer = CheckpointWriter(
                trainer, self.folder / place, partial(self._upload, place)
            )
            self._restore(trainer, place)
            result = trainer.fit([self._log, self._writer, partial(self._report, trainer)])
            self._bests.append(result.history[result.best_epoch]["val/macro_auc"])
        return sum(self._bests) / len(self._bests)

    def _upload(self, place: str, path: Path) -> None:
        if path.stem == "last":  # it holds the best weights as well
            self.run.upload_soon(path, place)

    def _restore(self, trainer: Trainer, place: str) -> None:
        """Goes on from the last checkpoint, and tells again what the dead worker had told."""
        path = self.folder / place / "last.safetensors"
        if not path.exists() and self.previous is not None:
            StudyRun(self.previous).download(f"{place}/last.safetensors", self.folder)
        if not path.exists():
            return
        trainer.restore(load_checkpoint(path))
        print(f"trial {self.trial.number} goes on from epoch {trainer.epoch}", file=sys.stderr)
        self.run.set_tags({"resumed_at_epoch": str(self._step(trainer.epoch))})
        for epoch, metrics in enumerate(trainer.history):
            self._log(epoch, metrics)
            self._tell(trainer.history[: epoch + 1])

    # ---------------------------------------------------------------- every epoch

    def _step(self, epoch: int) -> int:
        """An epoch's number among those of all splits."""
        return len(self._bests) * self.search.config.training.epochs + epoch

    def _log(self, epoch: int, metrics: Metrics) -> None:
        self._trained += metrics["epoch_seconds"]
        self.points(self._step(epoch), metrics)

    def _tell(self, history: Sequence[Metrics]) -> None:
        """Tells Optuna the mean over splits of the best so far."""
        best = max(metrics["val/macro_auc"] for metrics in history)
        values = [*self._bests, best]
        self.trial.report(sum(values) / len(values), self._step(len(history) - 1))

    def _report(self, trainer: Trainer, epoch: int, metrics: Metrics) -> None:
        """Tells Optuna the epoch, and stops where it isn't worth going on.

        Raises:
            TrialPruned: the pruner says so.
            HandedBackError: the worker's time is up.
        """
        self._tell(trainer.history)
        if trainer.finished and len(self._bests) + 1 == len(self.search.prepared):
            return
        if self.trial.should_prune():
            raise TrialPruned(f"after epoch {self._step(trainer.epoch)}")
        if time.monotonic() > self.search.deadline:
            raise HandedBackError

    # ---------------------------------------------------------------- the end

    def hand_back(self) -> None:
        """Puts the trial back into the queue, checkpoint included, for any worker to go on."""
        if self._writer is not None:
            self._writer.upload_all()
            self.points.send()  # whoever takes the trial up looks for the checkpoint at once
        storage, study = self.search.storage, self.search.study
        frozen = storage.get_trial(self.trial._trial_id)
        storage.set_trial_state_values(self.trial._trial_id, TrialState.FAIL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            RetryHeartbeatStaleTrialCallback()(study, frozen)

    def drop_checkpoints(self) -> None:
        """Removes what nobody needs any more."""
        self.points.send()  # the last one may be on its way
        shutil.rmtree(self.folder, ignore_errors=True)
        for run_id in (self.run.run_id, self.previous):
            if run_id is not None:
                StudyRun(run_id).remove_folder("checkpoints")

    def close(self, status: str, tags: dict[str, str], seconds: float) -> None:
        """Ends the MLflow run; notes how much of the time was spent beside training."""
        share = self.points.seconds / seconds
        own = {"seconds": seconds, "training_seconds": self._trained, "tracking_share": share}
        self.points.add(own, 0)
        self.points.send()
        self.run.set_tags(tags)
        self.run.set_status(status)
