"""Which views of a record a bundle answers by: chosen on fold 9."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from heart_reader.bundle.scoring import score
from heart_reader.bundle.single import Bundle
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.errors import ConfigError
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.models.views import Views, candidates

REMEMBERED = "fold9_by_view"  # in the provenance: the macro AUC of each candidate


def with_best_views(bundle: Bundle, records: Records, windows: int) -> Bundle:
    """The bundle with the views of the best fold-9 macro AUC; of equal ones, the least work.

    Args:
        bundle: whose own views don't matter.
        records: development records.
        windows: that are tried beside the whole record; 0: the bundle as it is.

    Raises:
        ConfigError: more windows than a record has samples, or a model of padded records.
    """
    if windows == 0:
        return bundle
    if bundle.padded:
        raise ConfigError(
            "evaluation.windows is for records of full length, but signal.short is 'pad'"
        )
    if windows > bundle.spec.n_times:
        raise ConfigError(
            f"evaluation.windows must be at most {bundle.spec.n_times}, the samples of a record, "
            f"but is {windows}"
        )
    choices = candidates(windows)
    auc = judged(bundle, records, choices)
    best = max(auc, key=lambda name: auc[name])  # the first of equal ones
    return replace(
        bundle,
        views=choices[best],
        provenance={**bundle.provenance, REMEMBERED: {k: round(v, 5) for k, v in auc.items()}},
    )


def judged(bundle: Bundle, records: Records, choices: Mapping[str, Views]) -> dict[str, float]:
    """Fold-9 macro AUC by each of some views."""
    found = {}
    for name, views in choices.items():
        scored = score(replace(bundle, views=views), records, (VALIDATION_FOLD,))
        found[name] = float(macro_auc(scored.y_true, np.asarray(scored.y_score)))
    return found
