"""Every metric of one model on some records, under flat names."""

from collections.abc import Sequence

import numpy.typing as npt

from heart_reader.evaluation.checks import (
    check_names,
    check_per_class,
    check_scores,
    judged,
)
from heart_reader.evaluation.metrics import (
    average_precision,
    brier_score,
    challenge_metrics,
    defined_auc,
    expected_calibration_error,
    f_max,
    mean_defined,
    per_defined,
)
from heart_reader.tasks.task import by_key


def summary(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    class_names: Sequence[str],
    n_bins: int,
) -> dict[str, float]:
    """Every metric under a flat name, ready to be logged.

    AUC and AUPRC are of the classes that can be judged, ``n_classes`` of them; the others have no
    key. Record-centric metrics are over the records with a label, calibration over all of both.

    Args:
        y_true: (n, n_classes).
        y_score: (n, n_classes).
        thresholds: (n_classes,); a class is predicted where score >= threshold.
        class_names: one a class; names ``auc_NORM`` and ``auprc_NORM``, ``auc_PRC_S_`` for
            ``PRC(S)``.
        n_bins: bins of the expected calibration error.

    Raises:
        DataError: bad input, or a metric that is not defined for it.
    """
    labels, scores = check_scores(y_true, y_score)
    check_names(class_names, labels.shape[1])
    limits = check_per_class("thresholds", thresholds, labels.shape[1])
    aucs = defined_auc(y_true, scores)
    auprcs = per_defined(average_precision, y_true, scores)
    best = f_max(y_true, scores)
    challenge = challenge_metrics(y_true, scores >= limits)
    metrics = {
        "macro_auc": mean_defined(aucs),
        "n_classes": judged(y_true).sum(),
        "auprc_macro": mean_defined(auprcs),
        "f_max": best.value,
        "f_max_threshold": best.threshold,
        "f_beta": challenge.f_beta,
        "g_beta": challenge.g_beta,
        "brier": mean_defined(brier_score(y_true, scores)),
        "ece": mean_defined(expected_calibration_error(y_true, scores, n_bins)),
    }
    metrics |= by_key("auc", class_names, aucs.tolist()) | by_key(
        "auprc", class_names, auprcs.tolist()
    )
    return {name: float(value) for name, value in metrics.items()}
