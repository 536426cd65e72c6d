"""One trial: a fit that reports every epoch, can be pruned, and goes on where it was killed."""

import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from optuna.exceptions import ExperimentalWarning, TrialPruned, UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from heart_reader.config.load import Config
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import TRAIN_FOLDS
from heart_reader.errors import DataError
from heart_reader.fitting import FOLD_9, Prepared, Split, make_trainer, prepare
from heart_reader.tracking.delivery.outage import PATIENCE
from heart_reader.training.callbacks import CheckpointWriter
from heart_reader.training.checkpoint import load_checkpoint
from heart_reader.training.trainer import Metrics, Trainer
from tuning.config import TuningConfig
from tuning.outcome import COMPLETE, TAKEN, HandedBackError, Outcome, TakenError, outcome_of
from tuning.search_space import SearchSpace, suggest
from tuning.store.patient import BudgetSpentError, PatientStorage
from tuning.study import FINISHED
from tuning.tracking import PointBuffer, StudyRun

RUN = "mlflow_run"  # the trial's attribute that names its run


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
    """Called with a trial, fits and ends it; its value is the macro AUC, the mean over splits."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def __call__(self, trial: Trial) -> FrozenTrial:
        """Trains the trial's configuration in an MLflow run of its own; gives what came of it.

        Raises:
            TakenError: another worker has it now.
            HandedBackError: the time is up, and the trial waits for another worker.
        """
        with get_heartbeat_thread(trial._trial_id, self.search.study._storage):
            fit = TrialFit(self.search, trial, self._open_run(trial))
            try:
                outcome = replace(COMPLETE, value=fit.run_trial())
            except BaseException as error:
                outcome = fit.end(outcome_of(error))
                # Somebody else's trial is no reason not to heed a signal.
                if outcome is TAKEN and isinstance(error, Exception):
                    raise TakenError from error
                if outcome.told != TrialState.PRUNED:
                    raise
            else:
                if fit.end(outcome) is TAKEN:
                    raise TakenError
        return self.search.storage.get_trial(trial._trial_id)

    def _open_run(self, trial: Trial) -> StudyRun:
        tags = {"trial": str(trial.number), "state": "running"}
        tags["backbone"] = self.search.config.model.backbone
        tags["study"] = self.search.study.study_name
        original = original_number(trial)
        if original != trial.number:
            tags["retry_of"] = str(original)
        return self.search.parent.child(f"trial {trial.number}", tags)


def original_number(trial: Trial) -> int:
    """The number of the trial that this one retries, or its own."""
    frozen = trial._cached_frozen_trial
    original = RetryHeartbeatStaleTrialCallback.retried_trial_number(frozen)
    return trial.number if original is None else original


class TrialFit:
    """The fits of one trial, one a split, and what is kept of them.

    Args:
        search: what the trials share.
        trial: Optuna's.
        run: its MLflow run.
    """

    def __init__(self, search: Search, trial: Trial, run: StudyRun) -> None:
        self.search, self.trial, self.run = search, trial, run
        # The run of the worker that died with this trial, where it is a retry.
        self.previous: str | None = trial.user_attrs.get(RUN)
        self.folder = search.folder / str(original_number(trial))
        self.points = PointBuffer(run)
        self._began = time.perf_counter()
        self._bests: list[float] = []  # of the splits that are done
        self._trained = 0.0  # seconds in epochs
        self._writer: CheckpointWriter | None = None

    def run_trial(self) -> float:
        """Draws the values, and fits with them."""
        config = suggest(self.trial, self.search.config, self.search.space)
        self.run.start_trial(self.trial.number, self.trial.params)
        self.trial.set_user_attr(RUN, self.run.run_id)
        self.points.seconds += time.perf_counter() - self._began
        return self.run_splits(config)

    def run_splits(self, config: Config) -> float:
        """The mean over splits of the best macro AUC."""
        for index, prepared in enumerate(self.search.prepared):
            trainer = make_trainer(prepared, config)
            place = f"checkpoints/split{index}"
            self._writer = CheckpointWriter(
                trainer, self.folder / place, partial(self._upload, place)
            )
            self._restore(trainer, place)
            tell, go_on = partial(self._tell, trainer), partial(self._go_on, trainer)
            # Told first: a worker that lost the trial learns it before it writes a checkpoint.
            result = trainer.fit([self._log, tell, self._writer, go_on])
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
            self._tell(trainer, epoch, metrics)

    # ---------------------------------------------------------------- every epoch

    def _step(self, epoch: int) -> int:
        """An epoch's number among those of all splits."""
        return len(self._bests) * self.search.config.training.epochs + epoch

    def _log(self, epoch: int, metrics: Metrics) -> None:
        self._trained += metrics["epoch_seconds"]
        self.points(self._step(epoch), metrics)

    def _tell(self, trainer: Trainer, epoch: int, metrics: Metrics) -> None:
        """Tells Optuna the mean over splits of the best so far."""
        best = max(metrics["val/macro_auc"] for metrics in trainer.history[: epoch + 1])
        values = [*self._bests, best]
        self.trial.report(sum(values) / len(values), self._step(epoch))

    def _go_on(self, trainer: Trainer, epoch: int, metrics: Metrics) -> None:
        """Stops where it isn't worth going on.

        Raises:
            TrialPruned: the pruner says so.
            HandedBackError: the worker's time is up.
        """
        if trainer.finished and len(self._bests) + 1 == len(self.search.prepared):
            return
        if self.trial.should_prune():
            raise TrialPruned(f"after epoch {self._step(trainer.epoch)}")
        if time.monotonic() > self.search.deadline:
            raise HandedBackError

    # ---------------------------------------------------------------- the end

    def end(self, outcome: Outcome) -> Outcome:
        """Logs the last points, tells the study, and ends the run as the study has it.

        Returns:
            The outcome, or ``TAKEN`` where the trial is another worker's by now.
        """
        if outcome.value is not None:
            self.points.add({"value": outcome.value}, 0)
        self._log_share()
        if outcome.told is not None and not self._tell_study(outcome):
            outcome = TAKEN
        with PATIENCE.hurried(outcome.status == "KILLED"):
            try:
                self.run.set_tags(outcome.tags)
            finally:
                self.run.set_status(outcome.status)
        if outcome.told in FINISHED:
            self._drop_checkpoints()
        return outcome

    def _log_share(self) -> None:
        """How much of the time was spent beside training."""
        seconds = time.perf_counter() - self._began
        share = self.points.seconds / seconds
        own = {"seconds": seconds, "training_seconds": self._trained, "tracking_share": share}
        self.points.add(own, 0)

    def _tell_study(self, outcome: Outcome) -> bool:
        """Whether the study took the outcome; it doesn't where another worker has the trial."""
        study, storage = self.search.study, self.search.storage
        try:
            if storage.get_trial(self.trial._trial_id).state != TrialState.RUNNING:
                return False
            if outcome.told == TrialState.WAITING:
                self._hand_back()
                return True
            told = study.tell(self.trial, outcome.value, outcome.told, skip_if_finished=True)
        except UpdateFinishedTrialError:  # it was taken between the two requests
            return False
        return told.state == outcome.told

    def _hand_back(self) -> None:
        """Puts the trial back into the queue, checkpoint included, for any worker to go on."""
        if self._writer is not None:
            self._writer.upload_all()
            self.points.send()  # whoever takes the trial up looks for the checkpoint at once
        storage, study = self.search.storage, self.search.study
        frozen = storage.get_trial(self.trial._trial_id)
        storage.set_trial_state_values(self.trial._trial_id, TrialState.FAIL)
        with warnings.catch_warnings(), suppress(BudgetSpentError):  # another trial has its place
            warnings.simplefilter("ignore", ExperimentalWarning)
            RetryHeartbeatStaleTrialCallback()(study, frozen)

    def _drop_checkpoints(self) -> None:
        """Removes what nobody needs any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for run_id in (self.run.run_id, self.previous):
            if run_id is not None:
                StudyRun(run_id).remove_folder("checkpoints")
