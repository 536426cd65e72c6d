import numpy as np
import pytest

CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")


def make_fold(n_records: int, seed: int, decimals: int | None = None):
    """Multi-label truth and informative scores; rounding them makes ties."""
    generator = np.random.default_rng(seed)
    y_true = generator.random((n_records, 5)) < (0.44, 0.25, 0.24, 0.23, 0.12)
    empty = ~y_true.any(axis=1)
    y_true[empty, generator.integers(0, 5, empty.sum())] = True
    logits = 2 * (y_true - 0.5) + generator.standard_normal(y_true.shape)
    y_score = 1 / (1 + np.exp(-logits))
    return y_true, y_score if decimals is None else y_score.round(decimals)


@pytest.fixture(params=[None, 1], ids=["distinct", "tied"])
def fold(request):
    return make_fold(300, seed=7, decimals=request.param)
