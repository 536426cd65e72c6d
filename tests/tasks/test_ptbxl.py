"""Held against a second reading of the files by the csv module, and against published counts."""

import ast
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heart_reader.data.ptbxl import load_metadata
from heart_reader.errors import ConfigError
from heart_reader.tasks.ptbxl import CLASS_OF, ptbxl_task, read_statements, statement_labels
from heart_reader.tasks.task import default_task
from tests.conftest import PACKED_PTBXL
from tests.data.trees import small_demo

# Classes of each task, and records of folds 1 to 9 with at least one (PTB-XL 1.0.3).
COUNTS = {
    "superdiagnostic": (5, 19230),
    "subdiagnostic": (23, 19230),
    "diagnostic": (44, 19230),
    "form": (19, 8098),
    "rhythm": (12, 18932),
    "all": (71, 19601),
}
COLUMN = {"superdiagnostic": "diagnostic_class", "subdiagnostic": "diagnostic_subclass"}


def classes_by_the_csv_module(root: Path, task: str) -> dict[int, set[str]]:
    with open(root / "scp_statements.csv", newline="") as file:
        rows = {row[""]: row for row in csv.DictReader(file)}
    flag = "diagnostic" if "diagnostic" in task else task
    chosen = {code: row for code, row in rows.items() if task == "all" or row[flag] == "1.0"}
    with open(root / "ptbxl_database.csv", newline="") as file:
        return {
            int(row["ecg_id"]): {
                chosen[code][COLUMN[task]] if task in COLUMN else code
                for code in ast.literal_eval(row["scp_codes"])
                if code in chosen
            }
            for row in csv.DictReader(file)
        }


def check(root: Path, name: str) -> np.ndarray:
    statements = read_statements(root)
    metadata = load_metadata(root)
    task = ptbxl_task(name, statements)
    labels = statement_labels(metadata, statements, task, 0)
    expected = classes_by_the_csv_module(root, name)
    for row, ecg_id in enumerate(metadata.index):
        found = {c for c, y in zip(task.classes, labels[row], strict=True) if y}
        assert found == expected[ecg_id]
    return labels


@pytest.mark.parametrize("name", CLASS_OF)
def test_labels_of_the_demo(name: str, tmp_path: Path) -> None:
    assert check(small_demo(tmp_path), name).any()


@pytest.mark.real
@pytest.mark.parametrize("name", CLASS_OF)
def test_counts_of_ptbxl(name: str) -> None:
    if not (PACKED_PTBXL / "ptbxl_database.csv").exists():
        pytest.skip(f"no PTB-XL in {PACKED_PTBXL}")
    labels = check(PACKED_PTBXL, name)
    assert (labels.shape[1], int(labels.any(axis=1).sum())) == COUNTS[name]


@pytest.mark.real
def test_superclasses_by_fold_are_those_of_the_data_set() -> None:
    """Folds 1 and 9 of the table that comes with the data."""
    if not (PACKED_PTBXL / "ptbxl_database.csv").exists():
        pytest.skip(f"no PTB-XL in {PACKED_PTBXL}")
    statements, metadata = read_statements(PACKED_PTBXL), load_metadata(PACKED_PTBXL)
    task = ptbxl_task("superdiagnostic", statements)
    labels = statement_labels(metadata, statements, task, 0)
    fold = metadata["strat_fold"].to_numpy()
    assert task.classes == ("NORM", "MI", "STTC", "CD", "HYP")
    assert labels[fold == 1].sum(axis=0).tolist() == [940, 549, 526, 481, 263]
    assert labels[fold == 9].sum(axis=0).tolist() == [955, 540, 528, 495, 268]
    assert int((~labels[fold == 9].any(axis=1)).sum()) == 37


def test_likelihood_counts_for_diagnostic_statements_alone(tmp_path: Path) -> None:
    root = small_demo(tmp_path)
    statements, metadata = read_statements(root), load_metadata(root)
    task = ptbxl_task("all", statements)
    every = statement_labels(metadata, statements, task, 0)
    sure = statement_labels(metadata, statements, task, 100)
    diagnostic = np.array([bool(statements[c].superclass) for c in task.classes])
    assert (every[:, ~diagnostic] == sure[:, ~diagnostic]).all()
    assert sure[:, diagnostic].sum() < every[:, diagnostic].sum()


@pytest.mark.parametrize(("min_likelihood", "expected"), [(0, 1), (35, 1), (35.1, 0), (100, 0)])
def test_likelihood_limit_is_inclusive(
    tmp_path: Path, min_likelihood: float, expected: int
) -> None:
    metadata = pd.DataFrame({"scp_codes": [{"IMI": 35.0, "SR": 100.0}]}, index=[1])
    statements = read_statements(small_demo(tmp_path))
    labels = statement_labels(metadata, statements, default_task(), min_likelihood)
    assert labels.tolist() == [[0, expected, 0, 0, 0]]


def test_the_default_task_is_the_one_that_bundles_of_old_have(tmp_path: Path) -> None:
    assert ptbxl_task("superdiagnostic", read_statements(small_demo(tmp_path))) == default_task()


def test_an_unknown_task_is_named(tmp_path: Path) -> None:
    statements = read_statements(small_demo(tmp_path))
    with pytest.raises(ConfigError, match="did you mean 'rhythm'"):
        ptbxl_task("rythm", statements)


def test_groups_and_titles(tmp_path: Path) -> None:
    task = ptbxl_task("all", read_statements(small_demo(tmp_path)))
    of = dict(zip(task.classes, zip(task.titles, task.groups, strict=True), strict=True))
    assert of["IMI"][1] == "MI"
    assert of["AFIB"] == ("atrial fibrillation", "rhythm")
    assert of["ABQRS"][1] == "form"
