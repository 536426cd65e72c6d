"""Folds by patient with every class in each: iterative stratification, as PTB-XL was split.

Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011,
https://doi.org/10.1007/978-3-642-23808-6_10; here over patients, each with the labels of all
their records, so that nobody is in two folds.
"""

import numpy as np
from numpy.typing import NDArray

N_FOLDS = 10


def stratified_folds(
    patient_id: NDArray[np.int64], labels: NDArray[np.uint8], seed: int
) -> NDArray[np.int64]:
    """A fold for each record.

    Args:
        patient_id: (n_records,)
        labels: (n_records, n_classes), 0 or 1.
        seed: of the ties; the same arguments give the same folds.

    Returns:
        (n_records,), 1 to 10; all records of a patient have the same.
    """
    patients, which = np.unique(patient_id, return_inverse=True)
    has = np.zeros((len(patients), labels.shape[1] + 1), np.int64)  # records by class, and in all
    np.add.at(has, which, np.column_stack([labels, np.ones(len(labels), np.int64)]))
    return _assigned(has, np.random.default_rng(seed))[which] + 1


def _assigned(has: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each patient, (n_patients,); ``has`` is (n_patients, n_classes + 1)."""
    fold = np.full(len(has), -1, np.int64)
    wanted = np.tile(has.sum(axis=0) / N_FOLDS, (N_FOLDS, 1))  # still missing, by fold and class
    while (open_ := np.flatnonzero(fold < 0)).size:
        left = has[open_].sum(axis=0)
        # The rarest class that is left goes first; records without any go by their number.
        classes = np.flatnonzero(left[:-1] > 0)
        rarest = classes[np.argmin(left[classes])] if len(classes) else -1
        of_class = open_[has[open_, rarest] > 0]
        # Patients with many records first, while every fold still has room for them.
        order = np.lexsort((rng.random(len(of_class)), -has[of_class, -1]))
        for patient in of_class[order]:
            fold[patient] = _neediest(wanted[:, rarest], wanted[:, -1], rng)
            wanted[fold[patient]] -= has[patient]
    return fold


def _neediest(
    by_class: NDArray[np.float64], by_number: NDArray[np.float64], rng: np.random.Generator
) -> int:
    """The fold that lacks most of a class; of several the one that lacks most records."""
    return int(np.lexsort((rng.random(N_FOLDS), by_number, by_class))[-1])
