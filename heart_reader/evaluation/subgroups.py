"""AUC in parts of the records: by sex, age, signal quality and recording site."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.ptbxl import age_years
from heart_reader.errors import DataError
from heart_reader.evaluation import bootstrap, metrics
from heart_reader.evaluation.checks import Bools
from heart_reader.tasks.task import MANY, class_key

SEXES = {"male": 0.0, "female": 1.0}
AGE_BANDS = {"under_40": (0, 40), "40_to_59": (40, 60), "60_to_79": (60, 80), "from_80": (80, 200)}
# Columns of PTB-XL that name the leads with a defect, empty where there is none.
QUALITY_FLAGS = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")
SMALLEST_SITE = 20  # records; smaller sites are one group
FEWEST = 5  # positives, and negatives, below which a class's AUC says nothing


@dataclass(frozen=True)
class Subgroup:
    """A part of the records.

    Attributes:
        values: ``auc_X`` for each class with enough records, ``macro_auc`` where that is every
            class, each with ``_low95`` and ``_high95`` where it can be resampled. Of more than
            `MANY` classes ``macro_auc`` is over those with enough records; ``n_classes`` says how
            many these are.
    """

    name: str
    n_records: int
    values: dict[str, float]


def subgroup_masks(metadata: pd.DataFrame) -> Iterator[tuple[str, Bools]]:
    """Names such as ``sex/female``, and which records, (n_records,), are in them.

    What a tree's metadata doesn't have is left out.
    """
    sex, age = metadata["sex"].to_numpy(), age_years(metadata)
    for name, code in SEXES.items():
        yield f"sex/{name}", sex == code
    for name, (low, high) in AGE_BANDS.items():
        yield f"age/{name}", (age >= low) & (age < high)
    flagged = np.zeros(len(metadata), np.bool_)
    for flag in QUALITY_FLAGS:
        if flag in metadata:
            named = metadata[flag].astype(str).str.strip() != ""
            there = (metadata[flag].notna() & named).to_numpy()
            flagged |= there
            yield f"quality/{flag}", there
    yield "quality/no_flag", ~flagged
    if "site" in metadata:
        yield from _sites(metadata["site"])


def _sites(site: "pd.Series[float]") -> Iterator[tuple[str, Bools]]:
    counts = site.value_counts()
    large = sorted(counts.index[counts >= SMALLEST_SITE])
    for each in large:
        yield f"site/{int(each)}", (site == each).to_numpy()
    yield "site/other", (~site.isin(large)).to_numpy()


def by_subgroup(
    metadata: pd.DataFrame,
    y_true: NDArray[np.uint8],
    y_score: NDArray[np.float32],
    classes: Sequence[str],
    n_resamples: int,
    generator: np.random.Generator,
) -> list[Subgroup]:
    """AUCs with 95% intervals in every subgroup that has a record.

    Args:
        metadata: of PTB-XL, row by row the records.
        y_true, y_score: (n_records, n_classes).
        classes: names of the columns.
        n_resamples: behind each interval; drawn within the subgroup.
        generator: draws them.
    """
    return [
        Subgroup(
            name,
            int(mask.sum()),
            _values(y_true[mask], y_score[mask], classes, n_resamples, generator),
        )
        for name, mask in subgroup_masks(metadata)
        if mask.any()
    ]


def _values(
    y_true: NDArray[np.uint8],
    y_score: NDArray[np.float32],
    classes: Sequence[str],
    n_resamples: int,
    generator: np.random.Generator,
) -> dict[str, float]:
    n_positive, n_negative = ((y_true == value).sum(axis=0) for value in (1, 0))
    enough = np.flatnonzero((n_positive >= FEWEST) & (n_negative >= FEWEST))
    if len(enough) == 0:
        return {}
    labels, scores = y_true[:, enough], y_score[:, enough]
    names = [f"auc_{class_key(classes[k])}" for k in enough.tolist()]
    aucs = metrics.class_auc(labels, scores)
    values = dict(zip(names, aucs.tolist(), strict=True))
    values["n_classes"] = float(len(enough))
    # Over fewer of a few classes it would be another quantity; of many there are always some rare.
    whole = len(enough) == len(classes) or len(classes) > MANY
    if whole:
        values["macro_auc"] = float(aucs.mean())
    try:
        resamples = bootstrap.draw(labels, n_resamples, generator)
    except DataError:
        return values  # so few that resamples keep missing them: no interval
    samples = bootstrap.auc_bootstrap(labels, scores, resamples)
    columns = dict(zip(names, samples.T, strict=True))
    if whole:
        columns["macro_auc"] = metrics.mean_defined(samples)
    for name, each in columns.items():
        low, high = bootstrap.interval(each, 0.95)
        values |= {f"{name}_low95": float(low), f"{name}_high95": float(high)}
    return values


def frame(groups: list[Subgroup]) -> pd.DataFrame:
    """One row a subgroup; empty cells where a class has too few records."""
    rows = [{"subgroup": g.name, "n_records": g.n_records, **g.values} for g in groups]
    return pd.DataFrame(rows)
