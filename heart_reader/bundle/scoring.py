"""A bundle over the records of some folds."""

from collections.abc import Sequence

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.data.dataset import Records
from heart_reader.errors import DataError
from heart_reader.evaluation.scored import Scored


def score(bundle: AnyBundle, records: Records, folds: Sequence[int]) -> Scored:
    """What a bundle says about the records of some folds, features as in the records' table.

    Raises:
        DataError: the records are labelled for another task.
    """
    if bundle.task.classes != records.task.classes:
        raise DataError(
            f"a model of task {bundle.task.name!r} ({bundle.task.n_classes} classes) can't be "
            f"judged by labels of task {records.task.name!r} ({records.task.n_classes}): "
            f"leave task out, or give task={bundle.task.name}"
        )
    rows = records.rows(folds)
    features = None if records.features is None else records.features.values[rows]
    y_score = bundle.predict(records.millivolts(rows), features)
    y_true, limits, classes = records.y_true[rows], bundle.thresholds, bundle.task.classes
    return Scored(rows, records.ecg_id[rows], y_true, y_score, limits, classes)
