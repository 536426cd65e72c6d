"""What a study found, as plots, a table and a file that the configuration takes."""

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import yaml
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawings
from rich.console import Console
from rich.table import Table

from tuning.study import best_trial
from tuning.tracking import StudyRun

TARGET = "macro AUC"
# Drawn for the whole study, and for the parameters that matter most: more don't fit side by side.
WHOLE: dict[str, Callable[..., Any]] = {
    "history": partial(drawings.plot_optimization_history, target_name=TARGET),
    "edf": partial(drawings.plot_edf, target_name=TARGET),
    "intermediate_values": drawings.plot_intermediate_values,
}
BY_PARAMETER: dict[str, Callable[..., Any]] = {
    "slice": partial(drawings.plot_slice, target_name=TARGET),
    "parallel_coordinates": partial(drawings.plot_parallel_coordinate, target_name=TARGET),
}
N_SHOWN = 6
# Complete trials under which a plot looks like a finding and is none.
LEAST_TRIALS = {
    "intermediate_values": 2,
    "history": 5,
    "slice": 5,
    "parallel_coordinates": 5,
    "edf": 10,
    "importances": 10,
}


def log_results(parent: StudyRun, study: Study) -> None:
    """Plots, ``best_params.yaml`` and ``trials.parquet`` into the study's run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = study.trials_dataframe(multi_index=False)
        for column in frame.select_dtypes(["object", "str"]):
            frame[column] = frame[column].astype(str)
        frame.to_parquet(folder / "trials.parquet", index=False)
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if complete:
            best = max(complete, key=lambda trial: trial.value or 0.0)
            text = yaml.safe_dump(best.params, sort_keys=False)
            (folder / "best_params.yaml").write_text(text)
            parent.log_metrics({"best": best.value or 0.0, "n_complete": len(complete)}, 0)
            parent.set_tags({"best_trial": str(best.number)})
            write_plots(study, folder / "plots")
        parent.log_folder(folder)


def write_plots(study: Study, folder: Path) -> None:
    """A PNG for each kind that the study has enough trials for, and a note on the others."""
    folder.mkdir(parents=True)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    drawn = {name for name, least in LEAST_TRIALS.items() if len(complete) >= least}
    # Optuna draws in ggplot's style, and leaves the whole process in it.
    with warnings.catch_warnings(), plt.ioff(), plt.rc_context():
        warnings.simplefilter("ignore")  # experimental, and more warnings of empty legends
        for name in drawn & set(WHOLE):
            _save(WHOLE[name](study), folder / f"{name}.png", 9)
        shares = importances(study)
        if shares is not None and "importances" in drawn:
            figure = drawings.plot_param_importances(
                study, evaluator=_evaluator(), params=list(shares), target_name=TARGET
            )
            _save(figure, folder / "importances.png", 9)
        shown = list(shares or complete[0].params)[:N_SHOWN]
        for name in drawn & set(BY_PARAMETER):
            _save(BY_PARAMETER[name](study, params=shown), folder / f"{name}.png", 3 * len(shown))
    left_out = left_out_text(len(complete))
    if left_out:
        (folder / "left_out.md").write_text(left_out, encoding="utf-8")


def left_out_text(n_complete: int) -> str:
    """Which plots would say nothing of so few trials; "" where all are drawn.

    >>> print(left_out_text(7))
    7 trials are complete: too few to draw edf (from 10 on), importances (from 10 on).
    <BLANKLINE>
    """
    missing = [f"{k} (from {least} on)" for k, least in LEAST_TRIALS.items() if n_complete < least]
    if not missing:
        return ""
    trials = "1 trial is" if n_complete == 1 else f"{n_complete} trials are"
    return f"{trials} complete: too few to draw {', '.join(missing)}.\n"


def importances(study: Study) -> dict[str, float] | None:
    """Share of the values' variance by parameter, largest first; ``None`` where there is none."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in complete}) < 2:
        return None
    # Only what every trial had: parameters that hold with others alone have no share of all.
    everywhere = set.intersection(*(set(trial.params) for trial in complete))
    shares: dict[str, float] = get_param_importances(
        study, evaluator=_evaluator(), params=sorted(everywhere)
    )
    return shares


def _evaluator() -> FanovaImportanceEvaluator:
    return FanovaImportanceEvaluator(seed=0)


def _save(drawn: Any, path: Path, width: float) -> None:
    """Saves what Optuna drew, ``width`` inches wide."""
    figure = np.ravel(drawn)[0].figure
    figure.set_size_inches(width, 5)
    figure.savefig(path, dpi=100, bbox_inches="tight")
    plt.close("all")


def print_best(study: Study) -> None:
    """The best trial, as options of ``train``."""
    best = best_trial(study)
    table = Table("parameter", "best", title=f"{study.study_name}: trial {best.number}")
    for key, value in best.params.items():
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    console = Console()
    console.print(table)
    console.print(f"macro AUC {best.value:.4f}", highlight=False)
