"""What an export finds out by itself: form, student, and how much may be pruned."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.single import Bundle
from heart_reader.data.dataset import Records
from heart_reader.edge.budget import smallest_ratio
from heart_reader.edge.config import ALL, NONE, EdgeConfig, FinetuneConfig, PruneConfig, bytes_of
from heart_reader.edge.contract import Form
from heart_reader.edge.device.folder import DeviceFile
from heart_reader.edge.eager import count_parameters
from heart_reader.edge.sample import Array, Sample
from heart_reader.errors import ModelError
from heart_reader.evaluation.thresholds import choose, rule_of
from heart_reader.evaluation.trust.fit import AUTO, fit_calibrator
from heart_reader.evaluation.trust.sets import fit_limits
from heart_reader.evaluation.trust.trust import NOTHING

N_STEPS = 16  # of the search: ratios are multiples of 1/16


def form_of(source: AnyBundle, wanted: str) -> Form:
    """The form that "auto" stands for.

    Raises:
        ModelError: "fused" for a model that reads no features.
    """
    if wanted == "signal" or (wanted == "auto" and source.encoder is None):
        return "signal"
    if source.encoder is None:
        raise ModelError(
            "form fused needs a model that reads features; this one needs form=signal"
        )
    return "fused"


def distill_of(source: AnyBundle, form: Form, chosen: FinetuneConfig) -> float:
    """The weight of the source's probabilities: as given, else some where it knows more."""
    if chosen.distill is not None:
        return chosen.distill
    return 0.5 if len(source.members) > 1 or form != form_of(source, "auto") else 0.0


def student_of(source: AnyBundle, wanted: str) -> Bundle:
    """The network that goes onto the device: the source itself, or a member of an ensemble.

    It will be another network: what the source knows of its own reliability isn't its.

    Raises:
        ModelError: no member of that name.
    """
    found = _student(source, wanted)
    return found if found.trust == NOTHING else replace(found, trust=NOTHING)


def _student(source: AnyBundle, wanted: str) -> Bundle:
    if len(source.members) == 1:
        return source.members[0]
    if wanted == "smallest":
        return min(source.members, key=count_parameters)
    named = dict(zip(source.names, source.members, strict=True))
    if wanted not in named:
        raise ModelError(f"the ensemble has no member {wanted!r}: student={', '.join(named)}")
    return named[wanted]


def ratio_of(
    student: Bundle,
    form: Form,
    chosen: PruneConfig,
    loss_at: Callable[[float], float],
    say: Callable[[str], None],
) -> float:
    """The share of channels to remove: by size, by what it costs, or as it was given.

    Args:
        student: to be pruned.
        form: of the device's model.
        chosen: says which of the three.
        loss_at: of macro AUC at a ratio; asked only where the cost decides.
        say: is told of each try.

    Raises:
        ModelError: no ratio does.
    """
    if chosen.budget != NONE:
        return smallest_ratio(student, form, bytes_of(chosen.budget), chosen.round_to, say)
    if chosen.max_auc_drop is None:
        return chosen.ratio
    return largest_ratio(loss_at, chosen.max_auc_drop, say)


def largest_ratio(
    loss_at: Callable[[float], float], allowed: float, say: Callable[[str], None]
) -> float:
    """The largest share of channels whose removal costs no more than that, by bisection.

    Raises:
        ModelError: not even the smallest share.
    """
    low, high = 0, N_STEPS  # the first holds, the second doesn't
    while high - low > 1:
        middle = (low + high) // 2
        lost = loss_at(middle / N_STEPS)
        say(f"ratio {middle / N_STEPS:.4g} loses {lost:.4f}")
        low, high = (middle, high) if lost <= allowed else (low, middle)
    if low == 0:
        raise ModelError(
            f"stage 'pruned': even a ratio of 1/{N_STEPS} loses more than prune.max_auc_drop "
            f"({allowed:g}) of fold-9 macro AUC"
        )
    return low / N_STEPS


def sample_of(records: Records, rows: NDArray[np.intp], form: Form) -> Sample:
    """Some records as a device model reads them."""
    signal = records.millivolts(rows).astype(np.float32)  # (n, n_leads, n_times)
    if form == "signal" or records.features is None:
        nothing = np.zeros((len(rows), 0), np.float32)
        return Sample(signal, nothing, nothing)
    values = records.features.values[rows]  # (n, n_features)
    known = np.isfinite(values)
    return Sample(signal, np.where(known, values, 0).astype(np.float32), known.astype(np.float32))


def device_file(
    path: Path,
    source: AnyBundle,
    y_true: NDArray[np.uint8],
    y_score: Array,
    patients: NDArray[np.int64],
) -> DeviceFile:
    """A file with thresholds by its source's rule, and curves and limits where the source has
    some: all chosen on fold 9 with what this very file says there."""
    curves = None
    if source.trust.calibrated:
        curves = fit_calibrator(AUTO, y_true, y_score, patients).calibrator
        y_score = curves.apply(y_score)
    limits = source.trust.limits
    return DeviceFile(
        path,
        choose(rule_of(source.provenance), y_true, y_score, source.task.classes),
        curves,
        None if limits is None else fit_limits(y_true, y_score, limits.error),
    )


def stages_for(student: Bundle, chosen: EdgeConfig, say: Callable[[str], None]) -> tuple[str, ...]:
    """The stages that were chosen; "all" doesn't ask for pruning where a backbone refuses it."""
    if student.model.backbone.prunable or ALL not in chosen.stages:
        return chosen.wanted
    say(f"pruning is left out: {student.kind} can't be pruned")
    return tuple(stage for stage in chosen.wanted if stage != "prune")
