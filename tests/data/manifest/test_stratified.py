import numpy as np
import pytest

from heart_reader.data.manifest.stratified import stratified_folds
from heart_reader.data.ptbxl import load_metadata
from heart_reader.tasks.ptbxl import ptbxl_task, read_statements, statement_labels
from tests.conftest import PACKED_PTBXL


def made(n_records: int, shares: tuple[float, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, n_records // 2, n_records)
    return patient, (rng.random((n_records, len(shares))) < shares).astype(np.uint8)


def test_a_patient_is_in_one_fold_and_every_fold_is_filled():
    patient, labels = made(1000, (0.5, 0.1, 0.02), 0)
    fold = stratified_folds(patient, labels, 0)
    assert set(fold) == set(range(1, 11))
    assert all(len(set(fold[patient == p])) == 1 for p in set(patient))
    counts = np.bincount(fold)[1:]
    assert counts.min() >= 95 and counts.max() <= 105


def test_a_rare_class_is_spread_evenly():
    labels = np.zeros((500, 2), np.uint8)
    labels[:20, 0], labels[20:270, 1] = 1, 1
    fold = stratified_folds(np.arange(500), labels, 3)
    assert [int(labels[fold == f, 0].sum()) for f in range(1, 11)] == [2] * 10
    assert [int(labels[fold == f, 1].sum()) for f in range(1, 11)] == [25] * 10


def test_the_same_seed_gives_the_same_folds():
    patient, labels = made(300, (0.3, 0.2), 1)
    first = stratified_folds(patient, labels, 5)
    assert (first == stratified_folds(patient, labels, 5)).all()
    assert (first != stratified_folds(patient, labels, 6)).any()


@pytest.mark.real
def test_as_even_as_the_folds_of_ptbxl():
    """On PTB-XL's own labels and patients, classes differ between folds no more than there."""
    if not (PACKED_PTBXL / "ptbxl_database.csv").exists():
        pytest.skip(f"no PTB-XL in {PACKED_PTBXL}")
    metadata, statements = load_metadata(PACKED_PTBXL), read_statements(PACKED_PTBXL)
    task = ptbxl_task("superdiagnostic", statements)
    labels = statement_labels(metadata, statements, task, 0)
    theirs = metadata["strat_fold"].to_numpy()
    ours = stratified_folds(metadata["patient_id"].to_numpy(), labels, 0)

    def spread(fold: np.ndarray, folds: range) -> np.ndarray:
        share = np.array([labels[fold == f].mean(axis=0) for f in folds])
        return share.max(axis=0) - share.min(axis=0)

    assert (spread(ours, range(1, 11)) <= spread(theirs, range(1, 10)) + 0.002).all()
