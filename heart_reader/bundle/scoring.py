"""A bundle over the records of some folds."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.measuring import raw_features
from heart_reader.bundle.single import Bundle
from heart_reader.data.dataset import Records
from heart_reader.data.lead_sets import LeadSet, only, set_name
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD, age_years
from heart_reader.errors import DataError
from heart_reader.evaluation.checks import judged
from heart_reader.evaluation.metrics import defined_auc, mean_defined
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.trust.novelty import fit_novelty
from heart_reader.models.predicting import probabilities_and_vectors
from heart_reader.tasks.task import Task, by_key

LEFT_OUT = "are left out of every mean"  # what becomes of a class that can't be judged


def require_some_class(records: Records, folds: Sequence[int], cannot: str) -> None:
    """Names on stderr the classes that the records of some folds all have, or none of them.

    Args:
        records: of these folds and others.
        folds: to learn from, or to be judged on.
        cannot: what isn't possible with such a class.

    Raises:
        DataError: there is no other class.
    """
    labels = records.y_true[records.rows(folds)]
    there = judged(labels) if len(labels) else np.zeros(records.task.n_classes, bool)
    where = f"fold {folds[0]}" if len(folds) == 1 else f"folds {folds[0]} to {folds[-1]}"
    if not there.any():
        raise DataError(
            f"no class has both a positive and a negative in {where} ({len(labels)} records): "
            "take more records (data.records_per_fold) or a lower data.min_likelihood"
        )
    absent = [name for name, ok in zip(records.task.classes, there, strict=True) if not ok]
    if absent:
        print(
            f"{where}: {len(absent)} of {records.task.n_classes} classes have no positive or no "
            f"negative, and {cannot}: {', '.join(absent)}",
            file=sys.stderr,
        )


def require_labels_of(task: Task, labels: Task) -> None:
    """Refuses to judge a model by labels of other classes than its own.

    Raises:
        DataError: they are of another task.
    """
    if task.classes != labels.classes:
        raise DataError(
            f"a model of task {task.name!r} ({task.n_classes} classes) can't be judged by labels "
            f"of task {labels.name!r} ({labels.n_classes}): leave task out, or give "
            f"task={task.name}"
        )


def score(
    bundle: AnyBundle, records: Records, folds: Sequence[int], leads: LeadSet | None = None
) -> Scored:
    """What a bundle says about the records of some folds, features as in the records' table.

    Args:
        bundle: that says it.
        records: of these folds and others.
        folds: to be scored.
        leads: all others are flat lines, and what they measure is missing; ``None``: as it is.

    Raises:
        DataError: the records are labelled for another task.
    """
    require_labels_of(bundle.task, records.task)
    rows = records.rows(folds)
    features = None if records.features is None else records.features.values[rows]
    signals = records.millivolts(rows)
    if leads is not None and set(leads) != set(records.spec.leads):
        signals = only(signals, records.spec.leads, leads)
        if features is not None:
            about = records.metadata.iloc[rows]
            features = raw_features(
                bundle.feature_source, signals, records.spec, "compute",
                age_years(about), about["sex"].to_numpy(),
            )  # fmt: skip
    y_score = bundle.predict(signals, features, lengths=records.lengths(rows))
    y_true, limits, classes = records.y_true[rows], bundle.thresholds, bundle.task.classes
    return Scored(rows, records.ecg_id[rows], y_true, y_score, limits, classes)


def with_novelty(bundle: Bundle, records: Records, n_records: int, seed: int) -> Bundle:
    """The same model, knowing what is like its training records.

    Args:
        bundle: one model.
        records: of folds 1 to 9.
        n_records: drawn of the training folds; 0: it is given back as it is.
        seed: of the draw.
    """
    if n_records == 0:
        return bundle
    rows = records.rows(TRAIN_FOLDS)
    if len(rows) > n_records:
        rows = np.sort(np.random.default_rng(seed).choice(rows, n_records, replace=False))
    train, held = (_embedded(bundle, records, r) for r in (rows, records.rows((VALIDATION_FOLD,))))
    return replace(bundle, trust=replace(bundle.trust, novelty=fit_novelty(train, held)))


def _embedded(bundle: Bundle, records: Records, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Embeddings (n_rows, embedding_size) of some records."""
    signals = records.millivolts(rows)
    lengths = records.lengths(rows) if bundle.padded else None
    return probabilities_and_vectors(
        bundle.model, bundle.normaliser, signals, None, None, bundle.views, lengths
    )[1]


def judged_by_set(bundle: AnyBundle, records: Records, sets: Sequence[LeadSet]) -> pd.DataFrame:
    """Fold-9 AUC with each set of leads alone: a row a set, ``macro_auc`` and a column a class."""
    rows = []
    for leads in sets:
        scored = score(bundle, records, (VALIDATION_FOLD,), leads)
        auc = defined_auc(scored.y_true, scored.y_score)
        by_class = by_key("auc", scored.classes, auc.tolist())
        rows.append({"leads": set_name(leads), "macro_auc": float(mean_defined(auc)), **by_class})
    return pd.DataFrame(rows)
