"""Whether a candidate that is no worse in the mean is worse for some of the patients.

Sex, age, both together, recording device and site; as many looks as there are parts, so that
one is held against a candidate only where it is worse among all of them (Holm, 5%).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heart_reader.data.ptbxl import age_years
from heart_reader.errors import DataError
from heart_reader.evaluation import bootstrap, metrics, report
from heart_reader.evaluation.subgroups import SEXES, subgroup_masks
from registry.gate.rules import Check
from registry.settings import GateConfig

NAME = "each part of the patients against the champion"
SMALLEST = 100  # records of a part: of fewer no interval is narrower than any loss
LEVEL = 0.05
OLD, MIDDLE = 75, 60  # years
BANDS = {f"under {MIDDLE}": (0, MIDDLE), f"{MIDDLE} to {OLD}": (MIDDLE, OLD),
         f"over {OLD}": (OLD, 200)}  # fmt: skip
WORDS = {"male": "men", "female": "women"}


def parts_of(metadata: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Names such as ``women over 75``, and which records, (n_records,), are in them."""
    yield from (each for each in subgroup_masks(metadata) if not each[0].startswith("quality/"))
    sex, age = metadata["sex"].to_numpy(), age_years(metadata)
    for word, code in SEXES.items():
        for band, (low, high) in BANDS.items():
            yield f"{WORDS[word]} {band}", (sex == code) & (age >= low) & (age < high)
    if "device" in metadata:
        for device, n in metadata["device"].value_counts().items():
            if n >= SMALLEST:
                yield f"device {str(device).strip()}", (metadata["device"] == device).to_numpy()


def each_part(
    metadata: pd.DataFrame,
    y_true: NDArray[np.uint8],
    candidate: NDArray[np.float32],
    champion: NDArray[np.float32],
    config: GateConfig,
) -> Check:
    """No part of the patients for whom the candidate's macro AUC is surely and much worse.

    Args:
        metadata: of the records.
        y_true: (n_records, n_classes).
        candidate, champion: of the same shape.
        config: ``max_part_loss``, and how many resamples.
    """
    gains: dict[str, float] = {}
    chances: dict[str, float] = {}
    for name, part in parts_of(metadata):
        if part.sum() >= SMALLEST:
            found = _gain(y_true[part], candidate[part], champion[part], config.n_resamples)
            if found is not None:
                gains[name], chances[name] = found
    sure = holm(chances)
    lost = [name for name in sure if gains[name] < -config.max_part_loss]
    values = {name.replace(" ", "_").replace("/", "_"): gain for name, gain in gains.items()}
    if not gains:
        return Check(NAME, True, "no part has enough records to be judged by", {})
    worst = min(lost or gains, key=gains.__getitem__)
    text = (
        f"{worst} {gains[worst]:+.4f} (p {chances[worst]:.3f} of {len(gains)} looked at, "
        f"Holm), may lose at most {config.max_part_loss:.4f}"
    )
    others = [f"{name} {gains[name]:+.4f}" for name in lost if name != worst]
    return Check(NAME, not lost, "; ".join([text, *others]), values)


def _gain(
    y_true: NDArray[np.uint8],
    candidate: NDArray[np.float32],
    champion: NDArray[np.float32],
    n_resamples: int,
) -> tuple[float, float] | None:
    """The difference in macro AUC, and the chance of one this low where there is none."""
    try:
        resamples = report.resamples_for(y_true, n_resamples)
        auc = [metrics.defined_auc(y_true, s) for s in (candidate, champion)]
    except DataError:  # a part without a positive of any class
        return None
    drawn = [
        metrics.mean_defined(bootstrap.auc_bootstrap(y_true, s, resamples))
        for s in (candidate, champion)
    ]
    gain = float(metrics.mean_defined(auc[0]) - metrics.mean_defined(auc[1]))
    n_better = int((drawn[0] - drawn[1] >= 0).sum())
    return gain, (1 + n_better) / (1 + n_resamples)


def holm(chances: dict[str, float]) -> Sequence[str]:
    """Names whose p-values hold among all, by Holm's step-down.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 1979.
    """
    held = []
    for k, name in enumerate(sorted(chances, key=chances.__getitem__)):
        if chances[name] > LEVEL / (len(chances) - k):
            break
        held.append(name)
    return held
