"""Tables of results, as rows and as Markdown for the UI."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import TRAIN_FOLDS, VALIDATION_FOLD
from heart_reader.evaluation.subgroups import Subgroup
from heart_reader.tasks.task import MANY, class_key


def auc_rows(values: dict[str, float], classes: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Name, AUC, its 95% interval and AUPRC: the mean, then each class that could be judged.

    Of more than `MANY` classes the worst come first.
    """

    def row(name: str, auc: str, auprc: str) -> tuple[str, str, str, str]:
        return name, f"{values[auc]:.4f}", interval_text(values, auc, 4), f"{values[auprc]:.4f}"

    names = [name for name in classes if f"auc_{class_key(name)}" in values]
    if len(classes) > MANY:
        names.sort(key=lambda name: values[f"auc_{class_key(name)}"])
    each = [row(n, f"auc_{class_key(n)}", f"auprc_{class_key(n)}") for n in names]
    macro = "macro" if len(names) == len(classes) else f"macro of {len(names)} classes"
    return [row(macro, "macro_auc", "auprc_macro"), *each]


def interval_text(values: Mapping[str, float], name: str, decimals: int) -> str:
    """``0.9210 to 0.9370``, or "" where no resample has the class."""
    low, high = values.get(f"{name}_low95"), values.get(f"{name}_high95")
    return "" if low is None or high is None else f"{low:.{decimals}f} to {high:.{decimals}f}"


def unjudged_lines(values: Mapping[str, float], classes: Sequence[str]) -> list[str]:
    """One line that names the classes that no figure is about; none where there are none."""
    left = [name for name in classes if f"auc_{class_key(name)}" not in values]
    if not left:
        return []
    return [
        f"left out of every mean, with no positive or no negative in the fold: {', '.join(left)}; "
        f"macro AUC is over {values['n_classes']:.0f} of {len(classes)} classes"
    ]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that the UI draws."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def evaluation_text(
    model: str, fold: int, n_records: int, values: dict[str, float], classes: Sequence[str]
) -> str:
    """The Markdown on top of an evaluation's run."""
    return f"""## `{model}` on fold {fold}: macro AUC {values["macro_auc"]:.4f}

{n_records:,} records, F_max {values["f_max"]:.4f}, calibration error {values["ece"]:.4f}.

{class_rows(values, classes)}
"""


def class_rows(values: dict[str, float], classes: Sequence[str]) -> str:
    """The Markdown table of the classes, and which ones it can't say anything of."""
    table = markdown_table(("class", "AUC", "95% interval", "AUPRC"), auc_rows(values, classes))
    return "\n\n".join([table, *unjudged_lines(values, classes)])


def looks_text(n_looks: int, fold: int) -> str:
    """How often a version was judged on a fold: each further look flatters it."""
    if n_looks == 1:
        return f"The first evaluation of this version on fold {fold}."
    return (
        f"Evaluation {n_looks} of this version on fold {fold}: every choice made after the "
        "first makes its figures too good."
    )


def subgroup_text(groups: Sequence[Subgroup], classes: Sequence[str]) -> str:
    """A table of the subgroups; empty where classes have too few records."""
    few = len(classes) <= MANY
    rows = []
    for group in groups:
        v = group.values
        macro = f"{v['macro_auc']:.4f}" if "macro_auc" in v else ""
        aucs = [f"{v[k]:.3f}" if (k := f"auc_{class_key(name)}") in v else "" for name in classes]
        last = aucs if few else [f"{v.get('n_classes', 0):.0f}"]
        interval = interval_text(v, "macro_auc", 4)
        rows.append((group.name, str(group.n_records), macro, interval, *last))
    header = ("subgroup", "records", "macro AUC", "95% interval")
    return markdown_table((*header, *(classes if few else ("over classes",))), rows)


def fold_counts(records: Records) -> str:
    """``17,111 records to train, 2,146 to validate``"""
    n_train, n_validate = len(records.rows(TRAIN_FOLDS)), len(records.rows((VALIDATION_FOLD,)))
    return f"{n_train:,} records to train, {n_validate:,} to validate"


def fold_profile(records: Records, folds: Sequence[int]) -> str:
    """Counts as JSON, for MLflow's data set."""
    return label_profile(records.y_true[records.rows(folds)], folds, records.task.classes)


def label_profile(y_true: NDArray[np.uint8], folds: Sequence[int], classes: Sequence[str]) -> str:
    """The same, of labels (n_records, n_classes)."""
    counts = dict(zip(classes, (y_true == 1).sum(axis=0, dtype=int).tolist(), strict=True))
    return json.dumps({"folds": list(folds), "n_records": len(y_true), **counts})
