"""One model on one fold: metrics with intervals, predictions, plots. All of it as plain files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.dataset import Records
from heart_reader.data.delineation import Delineation, delineate, main_measurements
from heart_reader.data.ptbxl import age_years
from heart_reader.evaluation import bootstrap, metrics
from heart_reader.evaluation.config import EvaluationConfig
from heart_reader.evaluation.examples import best_and_worst
from heart_reader.evaluation.plots.calibration import calibration
from heart_reader.evaluation.plots.curves import precision_recall, roc_curves
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.plots.matrices import confusion_matrices, label_cooccurrence
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.sheets.beat import beat_sheet
from heart_reader.evaluation.sheets.ecg import About, ecg_sheet
from heart_reader.evaluation.summary import summary
from heart_reader.tasks.task import class_key

# The same resamples for every model on the same records, so that models compare paired.
RESAMPLING_SEED = 2020


def resamples_for(y_true: NDArray[np.uint8], n_resamples: int) -> bootstrap.Resamples:
    """The resamples that every model on these records shares."""
    return bootstrap.draw(y_true, n_resamples, np.random.default_rng(RESAMPLING_SEED))


def metrics_with_intervals(scored: Scored, config: EvaluationConfig) -> dict[str, float]:
    """Every metric under a flat name, with ``macro_auc_low95`` and the like beside it."""
    found = summary(
        scored.y_true, scored.y_score, scored.thresholds, scored.classes, config.n_bins
    )
    resamples = resamples_for(scored.y_true, config.n_resamples)
    auc = bootstrap.auc_bootstrap(scored.y_true, scored.y_score, resamples)
    samples = {"macro_auc": metrics.mean_defined(auc)}
    for k in np.flatnonzero(scored.judged):
        samples[f"auc_{class_key(scored.classes[k])}"] = auc[:, k]
    samples["f_max"] = bootstrap.f_max_bootstrap(scored.y_true, scored.y_score, resamples)
    for name, values in samples.items():
        for level in (90, 95):
            low, high = bootstrap.interval(values, level / 100)
            if low == low:  # a class so rare that no resample has it gets no interval
                found |= {f"{name}_low{level}": float(low), f"{name}_high{level}": float(high)}
    return found


def write_plots(
    scored: Scored, values: dict[str, float], n_bins: int, folder: Path, judged: str = ""
) -> None:
    """ROC, precision-recall, confusion, calibration and co-occurrence, and a table of classes.

    Curves are of the classes that can be judged on the records; the table has all.

    Args:
        scored: what a model said.
        values: of `metrics_with_intervals`.
        n_bins: of the calibration error.
        folder: where the PNG files and ``classes.csv`` go.
        judged: whose scores these are, and of which fold.
    """
    table, n_classes = class_table(scored, values), len(scored.classes)
    scored = scored.of_judged()
    y_true, y_score, limits = scored.y_true, scored.y_score, scored.thresholds
    names = scored.classes
    intervals = auc_intervals(values, names)
    y_pred = y_score >= limits
    over = "" if len(names) == n_classes else f"{len(names)} of {n_classes} classes are there"
    note = ", ".join(filter(None, (judged, f"{len(y_true):,} records", over)))
    figures = {
        "roc": roc_curves(y_true, y_score, names, intervals, 0.95, limits, note),
        "precision_recall": precision_recall(y_true, y_score, names, note),
        "calibration": calibration(y_true, y_score, names, n_bins, note),
        "confusion": confusion_matrices(y_true, y_pred, names, note),
        "cooccurrence": label_cooccurrence(y_true, y_pred, names),
    }
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "classes.csv", index=False, float_format="%.4f")
    for name, figure in figures.items():
        save(figure, folder / f"{name}.png")


def auc_intervals(values: Mapping[str, float], classes: Sequence[str]) -> NDArray[np.float64]:
    """The 95% interval of each class's AUC, (2, n_classes); NaN where there is none."""
    ends = ("low", "high")
    return np.array(
        [[values.get(f"auc_{class_key(c)}_{end}95", np.nan) for c in classes] for end in ends]
    )


def class_table(scored: Scored, values: Mapping[str, float]) -> pd.DataFrame:
    """A row a class, the worst AUC first: what plots of many classes leave out.

    A class that can't be judged on the records stands last, with empty cells.

    Args:
        scored: what a model said.
        values: of `metrics_with_intervals`.
    """
    true, false = scored.y_true == 1, scored.y_true == 0
    found = scored.y_score >= scored.thresholds
    low, high = auc_intervals(values, scored.classes)
    keys = list(map(class_key, scored.classes))
    with np.errstate(invalid="ignore"):  # 0/0 of a class without a positive, or a negative
        table = pd.DataFrame(
            {
                "class": list(scored.classes),
                "n_positive": true.sum(axis=0),
                "auc": [values.get(f"auc_{key}", np.nan) for key in keys],
                "auc_low95": low,
                "auc_high95": high,
                "average_precision": [values.get(f"auprc_{key}", np.nan) for key in keys],
                "threshold": scored.thresholds,
                "sensitivity": (true & found).sum(axis=0) / true.sum(axis=0),
                "specificity": (false & ~found).sum(axis=0) / false.sum(axis=0),
            }
        )
    return table.sort_values("auc", ignore_index=True)


def abouts(
    records: Records, rows: NDArray[np.intp], delineation: Delineation, model: str
) -> list[About]:
    """What stands on a sheet beside each of some records.

    Args:
        records: that hold them.
        rows: of the records.
        delineation: of the same.
        model: that read them.
    """
    metadata = records.metadata.iloc[rows]
    columns = age_years(metadata), metadata["sex"], main_measurements(delineation)
    return [
        About(float(age), float(sex), measured, model)
        for age, sex, measured in zip(*columns, strict=True)
    ]


def record_name(records: Records, row: int) -> str:
    """What its reader calls a record: ``ECG 143`` of PTB-XL, of a manifest its ``record_id``."""
    if "record_id" in records.metadata:
        return str(records.metadata["record_id"].iloc[row])
    return f"ECG {records.ecg_id[row]}"


def frame_of(scored: Scored, records: Records) -> pd.DataFrame:
    """`Scored.frame`, with the ``record_id`` of a manifest's records."""
    frame, metadata = scored.frame(), records.metadata.iloc[scored.rows]
    if "record_id" in metadata:
        frame.insert(1, "record_id", metadata["record_id"].to_numpy())
    return frame


def write_sheets(
    scored: Scored, records: Records, n_sheets: int, folder: Path, model: str = ""
) -> None:
    """ECG sheets of the records that the model gets most right and most wrong.

    Args:
        scored: what the model said about some of the records.
        records: where the signals are.
        n_sheets: of each kind.
        folder: where ``best_1_ECGID.png`` and so on go.
        model: that said it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    best, worst = best_and_worst(scored.y_true, scored.y_score, n_sheets)
    for kind, chosen in (("best", best), ("worst", worst)):
        signals = records.twelve(scored.rows[chosen])  # (n, 12, n_times)
        known = abouts(records, scored.rows[chosen], delineate(signals, records.pack.fs), model)
        for rank, row in enumerate(chosen, 1):
            figure = ecg_sheet(
                signals[rank - 1],
                records.pack.fs,
                record_name(records, scored.rows[row]),
                by_class(scored.y_score[row], scored.classes),
                by_class(scored.thresholds, scored.classes),
                by_class(scored.y_true[row] == 1, scored.classes),
                f"{kind} {rank} of {len(scored.ecg_id)} records, by cross-entropy",
                known[rank - 1],
            )
            save(figure, folder / f"{kind}_{rank}_{scored.ecg_id[row]:05d}.png")


def write_beat_sheets(scored: Scored, records: Records, n_sheets: int, folder: Path) -> None:
    """Median beats with their fiducials, for the same records as the sheets of the best."""
    best, _ = best_and_worst(scored.y_true, scored.y_score, n_sheets)
    signals = records.twelve(scored.rows[best])
    delineation = delineate(signals, records.pack.fs)
    folder.mkdir(parents=True, exist_ok=True)
    for record, row in enumerate(best):
        figure = beat_sheet(delineation, record, record_name(records, scored.rows[row]))
        save(figure, folder / f"beats_{record + 1}_{scored.ecg_id[row]:05d}.png")


def by_class(values: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """``(n_classes,)`` as a mapping from the class."""
    return dict(zip(classes, values.tolist(), strict=True))
