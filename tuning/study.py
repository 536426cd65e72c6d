"""A named study: what it searches, what it remembers of that, and when it is over."""

import hashlib
import json
import socket
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from heart_reader.config.load import Config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.data.dataset import Records
from heart_reader.errors import did_you_mean
from tuning.config import TuningConfig
from tuning.search_space import SearchSpace, starting_point
from tuning.store.patient import PatientStorage, StudyError

IDENTITY = "identity"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# What may differ between two workers of one study.
FREE_KEYS = ("data.root", "training.device", "training.precision")
SECONDS_FOR_IDENTITY = 10.0


# What trainings did before there were these keys.
LATER = (
    ("training.init", "none"), ("training.freeze_epochs", 0), ("training.layer_decay", 1.0),
    ("training.lead_sets", "none"), ("training.auxiliary", "none"),
    ("training.auxiliary_weight", 1.0), ("training.auxiliary_likelihoods", False),
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """What makes two trials comparable: only then they belong to one study.

    Attributes:
        space: of the search, as plain values.
        data: digest of the records.
        objective: "fold9", or "cv" with its splits.
        config: every key that isn't searched, by its dotted name.
    """

    space: dict[str, Any]
    data: str
    objective: str
    config: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As JSON gives it back."""
        plain: dict[str, Any] = json.loads(json.dumps(vars(self), default=list))
        return plain


def make_identity(
    config: Config, tuning: TuningConfig, space: SearchSpace, records: Records
) -> Identity:
    """What the options of a worker amount to."""
    flat = flatten(to_dict(config))
    fixed = {
        key: value
        for key, value in flat.items()
        if key not in FREE_KEYS
        and key not in space.keys
        # The digest of the data changes with the task and the signal: studies of a time without
        # them go on, and so they do where a key that came later is as if it weren't there.
        and not key.startswith(("evaluation.", "task.", "signal."))
        and (key, value) not in LATER
    }
    objective = "fold9" if tuning.objective == "fold9" else f"cv of {tuning.cv_splits}"
    return Identity(space.as_dict(), records.digest[:16], objective, fixed)


def study_name(tuning: TuningConfig, identity: Identity, backbone: str) -> str:
    """The study of a backbone; without a name, one that the same search finds again."""
    name = tuning.study
    if name == "auto":
        text = json.dumps(identity.as_dict(), sort_keys=True)
        name = f"search-{hash_of(text)}"
    return f"{name}-{backbone}"


def hash_of(text: str) -> str:
    """8 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# ---------------------------------------------------------------- opening


def open_study(
    name: str,
    storage: PatientStorage,
    tuning: TuningConfig,
    config: Config,
    space: SearchSpace,
    identity: Identity,
) -> Study:
    """A new study, or the one of that name if it searches the same.

    Raises:
        StudyError: the name belongs to another search.
    """
    pruner = make_pruner(tuning, config.training.epochs)
    try:
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize", pruner=pruner
        )
        study.set_user_attr(IDENTITY, identity.as_dict())
        start = starting_point(config, space)
        if start is not None:  # the search then never does worse than the configuration itself
            study.enqueue_trial(start)
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
        check_identity(study, identity)
    study.sampler = make_sampler(tuning, config.seed + worker_number(study, storage))
    return study


def worker_number(study: Study, storage: PatientStorage) -> int:
    """A number that no other worker of the study has or had: each draws its own trials."""
    me, number = f"{socket.gethostname()} {time.time_ns()}", 0
    while storage.claim(study._study_id, f"worker_{number}", me) != me:
        number += 1
    return number


def make_sampler(tuning: TuningConfig, seed: int) -> TPESampler:
    """TPE over all keys at once, aware of what other workers are trying."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(
            n_startup_trials=tuning.startup_trials,
            multivariate=True,
            group=True,  # keys that hold only with others, such as the focal loss's
            constant_liar=True,
            seed=seed,
        )


def make_pruner(tuning: TuningConfig, epochs: int) -> BasePruner:
    """What stops a trial that lags behind; a step is an epoch, of all splits in a row."""
    steps = epochs * (tuning.cv_splits if tuning.objective == "cv" else 1)
    if tuning.pruner == "median":
        return MedianPruner(max(1, tuning.startup_trials), tuning.min_epochs - 1)
    if tuning.pruner == "hyperband":
        return HyperbandPruner(tuning.min_epochs, max(steps, tuning.min_epochs + 1), 3)
    return NopPruner()


def check_identity(study: Study, identity: Identity) -> None:
    """Refuses a study of another search.

    Raises:
        StudyError: the space, the data, the objective or the configuration differ; names both.
    """
    deadline = time.monotonic() + SECONDS_FOR_IDENTITY
    while IDENTITY not in study.user_attrs and time.monotonic() < deadline:
        time.sleep(0.2)  # another worker is making it at this moment
    theirs, ours = study.user_attrs.get(IDENTITY), identity.as_dict()
    if theirs is None:
        study.set_user_attr(IDENTITY, ours)
        return
    problems = []
    for part, now in ours.items():
        then = theirs.get(part)
        if then != now:
            problems.append(f"{_TITLES[part]}: {_difference(then, now)}")
    if problems:
        raise StudyError(
            f"study {study.study_name!r} exists with another {'; another '.join(problems)}. "
            "Give -P study=ANOTHER_NAME, or the options that it was begun with"
        )


_TITLES = {
    "space": "search space",
    "data": "data digest",
    "objective": "objective",
    "config": "configuration",
}


def _difference(then: Any, now: Any) -> str:
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return f"{then} there, {now} here"
    keys = [key for key in {**then, **now} if then.get(key) != now.get(key)]
    shown = [f"{key} {_short(then.get(key))} there, {_short(now.get(key))} here" for key in keys]
    more = f", and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(shown[:3]) + more


def _short(value: Any) -> str:
    if value is None:
        return "not"
    if isinstance(value, Mapping):
        inner = {k: v for k, v in value.items() if k not in ("kind",) and v not in (False, {})}
        return "{" + ", ".join(f"{k}: {v}" for k, v in inner.items() if v is not None) + "}"
    return str(value)


# ---------------------------------------------------------------- where it stands


@dataclass(frozen=True)
class Progress:
    """How many trials are in which state."""

    complete: int
    pruned: int
    running: int
    waiting: int
    failed: int

    @property
    def finished(self) -> int:
        """That count against the budget."""
        return self.complete + self.pruned


def progress_of(study: Study) -> Progress:
    """Counts, read from the storage."""
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    order = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING)
    return Progress(*(states.count(state) for state in (*order, TrialState.FAIL)))


def best_trial(study: Study) -> FrozenTrial:
    """The completed trial with the highest value.

    Raises:
        StudyError: there is none.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not done:
        p = progress_of(study)
        raise StudyError(
            f"study {study.study_name!r} has no completed trial ({p.pruned} pruned, {p.failed} "
            f"failed, {p.waiting} waiting): give it more trials, more time, or -P pruner=none"
        )
    return max(done, key=lambda trial: (trial.value or 0.0, -trial.number))


def trials_since_best(study: Study) -> int:
    """How many trials finished after the best one did."""
    done = study.get_trials(deepcopy=False, states=FINISHED)
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    if not complete:
        return 0
    best = max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))
    ended = best.datetime_complete
    return sum(
        ended is not None and t.datetime_complete is not None and t.datetime_complete > ended
        for t in done
    )


def load_best(storage: PatientStorage, name: str) -> Study:
    """An existing study that has a best trial.

    Raises:
        StudyError: no such study, or one without a completed trial.
    """
    names = optuna.get_all_study_names(storage=storage)
    if name not in names:
        there = f" (there are {', '.join(names)})" if names else " (there is none)"
        raise StudyError(f"no study {name!r} in the storage{did_you_mean(name, names) or there}")
    study = optuna.load_study(study_name=name, storage=storage)
    best_trial(study)
    return study
