"""Plots of a study: which are drawn, and that they leave other pictures as they were."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import optuna
import pytest
from matplotlib.image import imread

from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.plots.training_curves import training_curves
from tuning.plots import LEAST_TRIALS, left_out_text, write_plots

HISTORY = [
    {"train/loss": 1 / n, "val/loss": 1.1 / n, "val/macro_auc": 1 - 0.5 / n, "lr": 0.01}
    for n in (1, 2, 3)
]


def study_of(n_trials: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        depth = trial.suggest_int("depth", 2, 6)
        trial.report(0.5, 0)
        return 0.9 - abs(np.log10(rate) + 2) * 0.1 + 0.01 * depth

    study.optimize(objective, n_trials=n_trials)
    return study


def test_a_search_leaves_later_pictures_as_they_were(tmp_path: Path):
    before = imread(save(training_curves(HISTORY), tmp_path / "before.png"))
    settings = dict(mpl.rcParams)
    write_plots(study_of(5), tmp_path / "plots")
    assert dict(mpl.rcParams) == settings
    after = imread(save(training_curves(HISTORY), tmp_path / "after.png"))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("n_trials", [2, 5, 10])
def test_what_is_drawn_depends_on_how_many_trials_there_are(tmp_path: Path, n_trials: int):
    write_plots(study_of(n_trials), tmp_path / "plots")
    expected = {name for name, least in LEAST_TRIALS.items() if n_trials >= least}
    assert {path.stem for path in (tmp_path / "plots").glob("*.png")} == expected
    told = tmp_path / "plots" / "left_out.md"
    assert told.exists() == (len(expected) < len(LEAST_TRIALS))
    if told.exists():
        words = told.read_text()
        assert f"{n_trials} trials are complete" in words
        assert all((name in words) == (name not in expected) for name in LEAST_TRIALS)


def test_one_trial_is_told_as_one():
    assert left_out_text(1).startswith("1 trial is complete: too few to draw intermediate_values")
