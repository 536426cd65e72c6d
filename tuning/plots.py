"""What a study found, as plots, a table and a file that the configuration takes."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import yaml
from optuna.study import Study
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawings
from rich.console import Console
from rich.table import Table

from tuning.study import best_trial
from tuning.tracking import StudyRun

PLOTS: dict[str, Callable[[Study], Any]] = {
    "history": drawings.plot_optimization_history,
    "slice": drawings.plot_slice,
    "parallel_coordinates": drawings.plot_parallel_coordinate,
    "edf": drawings.plot_edf,
    "intermediate_values": drawings.plot_intermediate_values,
    "importances": drawings.plot_param_importances,
}


def log_results(parent: StudyRun, study: Study) -> None:
    """Plots, ``best_params.yaml`` and ``trials.parquet`` into the study's run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = study.trials_dataframe(multi_index=False)
        for column in frame.select_dtypes("object"):
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
    """A PNG for each kind that the study has enough trials for."""
    folder.mkdir(parents=True)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    varied = len({trial.value for trial in complete}) > 1
    for name, draw in PLOTS.items():
        # Importances are shares of the variance: there must be some.
        if name == "importances" and not varied:
            continue
        with warnings.catch_warnings(), plt.ioff():
            warnings.simplefilter("ignore")
            drawn = draw(study)
            axes = np.ravel(drawn)[0]
            axes.figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")
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
