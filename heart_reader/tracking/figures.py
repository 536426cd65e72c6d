"""What a run measured: a few metrics, which the UI has columns and charts for, and a table of all.

The UI gives each metric a column and a chart of its own. The bounds of intervals, and figures of
parts of the records, would be most of them: they stand in ``intervals.csv`` among the artifacts.
Runs of before have them as metrics, and are read the same.
"""

import csv
import re
import tempfile
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pandas as pd

from heart_reader.tracking.run import Run

FILE = "intervals.csv"
BOUND = re.compile(r"(.+)_((?:low|high)(?:90|95))")
COLUMNS = ("value", "low95", "high95", "low90", "high90")
# Bounds that are metrics all the same: what a model is first judged by.
STAY = re.compile(r"(val|test)/macro_auc_(low|high)95")


def log_figures(
    run: Run,
    values: Mapping[str, float],
    step: int,
    model_id: str | None = None,
    parts: Mapping[str, float] | None = None,
    once: bool = False,
) -> None:
    """Metrics, and the table with them and all the rest.

    Args:
        run: that measured them.
        values: by name; bounds as ``NAME_low95`` and so on.
        step: of the metrics.
        model_id: of the logged model that they are about.
        parts: figures that are in the table alone.
        once: of a run that may have been killed and goes on, those that it hasn't logged yet.
    """
    metrics = {k: v for k, v in values.items() if not BOUND.fullmatch(k) or STAY.fullmatch(k)}
    (run.log_once if once else run.log_metrics)(metrics, step, model_id)
    run.log_text(table({**values, **(parts or {})}).to_csv(index_label="figure"), FILE)


def figures_of(run: Run) -> dict[str, float]:
    """Every figure of a run under its flat name, wherever it stands."""
    with tempfile.TemporaryDirectory() as folder:
        path = run.download(FILE, Path(folder))
        text = "" if path is None else path.read_text(encoding="utf-8")
    return run.metrics() | (flat(text) if text else {})


def table(values: Mapping[str, float]) -> pd.DataFrame:
    """A row a figure, a column a bound.

    >>> table({"val/f_max": 0.8, "val/f_max_low95": 0.7, "val/f_max_high95": 0.9}).to_csv()
    ',value,low95,high95\\nval/f_max,0.8,0.7,0.9\\n'
    """
    rows: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        found = BOUND.fullmatch(name)
        figure, column = (name, "value") if found is None else found.groups()
        rows.setdefault(figure, {})[column] = value
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame[[column for column in COLUMNS if column in frame]]


def flat(text: str) -> dict[str, float]:
    """What `table` was made of, to the last bit.

    >>> flat("figure,value,low95,high95\\nval/f_max,0.8,0.7,\\n")
    {'val/f_max': 0.8, 'val/f_max_low95': 0.7}
    """
    return {
        row["figure"] if column == "value" else f"{row['figure']}_{column}": float(value)
        for row in csv.DictReader(StringIO(text))
        for column, value in row.items()
        if column != "figure" and value
    }
