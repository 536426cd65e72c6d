"""How models differ on the same records: paired, by class, and where they disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from heart_reader.evaluation import bootstrap, metrics, report
from registry.compare.opinions import Opinion

Floats = NDArray[np.float64]
COUNTED = 10  # resamples beyond 0: of fewer a share says little


@dataclass(frozen=True)
class Value:
    """A figure, its 95% interval, and of a difference how sure it is.

    Attributes:
        value: on all records.
        low, high: the interval over the resamples.
        p: of a difference of 0, two-sided; NaN where the figure is no difference.
    """

    value: float
    low: float
    high: float
    p: float = float("nan")


@dataclass(frozen=True)
class Row:
    """One model, and how it differs from the first.

    ``classes`` and ``class_gains`` hold one a class; of the first, every gain is 0.
    """

    name: str
    macro_auc: Value
    f_max: Value
    gain: Value
    f_max_gain: Value
    classes: tuple[Value, ...]
    class_gains: tuple[Value, ...]
    agreement: float


@dataclass(frozen=True)
class Comparison:
    """All of it.

    Attributes:
        classes: in order.
        n_records: of fold 9.
        rows: a model each, as the user named them.
        sure: of each row's ``class_gains`` whether it holds among all of them, by Holm.
        apart: the records on which they differ most.
    """

    classes: tuple[str, ...]
    n_records: int
    rows: tuple[Row, ...]
    sure: tuple[tuple[bool, ...], ...]
    apart: pd.DataFrame


def compare(opinions: Sequence[Opinion], n_resamples: int, n_apart: int) -> Comparison:
    """Measures them on the same resamples, each against the first.

    Args:
        opinions: on the same records.
        n_resamples: of the bootstrap.
        n_apart: records that are named.
    """
    y_true = opinions[0].logged.y_true
    resamples = report.resamples_for(y_true, n_resamples)
    aucs, f_maxima = [], []
    for each in opinions:
        score = each.logged.judged
        auc, f_max = metrics.defined_auc(y_true, score), metrics.f_max(y_true, score).value
        aucs.append(_with_all(auc, bootstrap.auc_bootstrap(y_true, score, resamples)))
        f_maxima.append(
            _with_all(np.array(f_max), bootstrap.f_max_bootstrap(y_true, score, resamples))
        )
    rows = tuple(
        _row(each, opinions[0], (aucs[k], aucs[0]), (f_maxima[k], f_maxima[0]))
        for k, each in enumerate(opinions)
    )
    classes = opinions[0].logged.classes
    return Comparison(classes, len(y_true), rows, _sure(rows), furthest(opinions, n_apart))


def _with_all(value: Floats, values: Floats) -> Floats:
    """What all records say on top of what the resamples say, (1 + n_resamples, ...)."""
    return np.concatenate([value[None], values])


def _row(
    own: Opinion, first: Opinion, auc: tuple[Floats, Floats], f_max: tuple[Floats, Floats]
) -> Row:
    macro = [metrics.mean_defined(each) for each in auc]
    gains = auc[0] - auc[1]
    n_classes = auc[0].shape[1]
    return Row(
        own.name,
        value_of(macro[0]),
        value_of(f_max[0]),
        difference_of(macro[0] - macro[1]),
        difference_of(f_max[0] - f_max[1]),
        tuple(value_of(auc[0][:, c]) for c in range(n_classes)),
        tuple(difference_of(gains[:, c]) for c in range(n_classes)),
        float((own.labels == first.labels).mean()),
    )


def value_of(values: Floats) -> Value:
    low, high = bootstrap.interval(values[1:], 0.95).tolist()
    return Value(float(values[0]), low, high)


def difference_of(values: Floats) -> Value:
    known = values[1:][~np.isnan(values[1:])]
    if not known.size:
        return Value(float(values[0]), float("nan"), float("nan"))
    low, high = bootstrap.interval(known, 0.95).tolist()
    return Value(float(values[0]), low, high, _chance(float(values[0]), known))


def _chance(value: float, resampled: Floats) -> float:
    """Two-sided: the share of resamples beyond 0, and where those are too few to be counted, the
    normal distribution's, with their standard deviation.

    1,000 resamples alone say 0.002 at least, which holds among no more than 25 differences.
    """
    beyond = int(min((resampled <= 0).sum(), (resampled >= 0).sum()))
    counted = min(1.0, 2 * max(beyond, 1) / resampled.size)
    spread = float(resampled.std(ddof=1)) if resampled.size > 1 else 0.0
    if beyond >= COUNTED or spread == 0:
        return counted
    return min(counted, float(2 * norm.sf(abs(value) / spread)))


def _sure(rows: Sequence[Row]) -> tuple[tuple[bool, ...], ...]:
    """Of every class of every model but the first."""
    p = [[each.p for each in row.class_gains] for row in rows]
    p[0] = [float("nan")] * len(p[0])
    return held(p)


def held(chances: Sequence[Sequence[float]], level: float = 0.05) -> tuple[tuple[bool, ...], ...]:
    """Which p-values of a table hold among all of them, by Holm's step-down; NaN doesn't."""
    p = np.array(chances, float).reshape(len(chances), -1)
    order = np.argsort(p, axis=None)  # NaN comes last
    sure = np.zeros(p.size, bool)
    n = int((~np.isnan(p)).sum())
    for rank, at in enumerate(order[:n]):
        if p.flat[at] > level / (n - rank):
            break
        sure[at] = True
    return tuple(tuple(each.tolist()) for each in sure.reshape(p.shape))


def furthest(opinions: Sequence[Opinion], n_apart: int) -> pd.DataFrame:
    """The records on which probabilities lie furthest apart, the furthest first.

    Columns: ``ecg_id``, ``class``, ``true``, ``apart``, and each model's probability.
    """
    scores = np.stack([each.logged.judged for each in opinions])  # (n_models, n, n_classes)
    apart = scores.max(axis=0) - scores.min(axis=0)
    classes, logged = opinions[0].logged.classes, opinions[0].logged
    worst = apart.argmax(axis=1)
    rows: list[dict[str, Any]] = []
    for record in np.argsort(-apart.max(axis=1), kind="stable")[:n_apart]:
        c = int(worst[record])
        said = {each.name: float(scores[k, record, c]) for k, each in enumerate(opinions)}
        rows.append({"ecg_id": int(logged.ecg_id[record]), "class": classes[c],
                     "true": int(logged.y_true[record, c]),
                     "apart": float(apart[record, c]), **said})  # fmt: skip
    return pd.DataFrame(rows)
