"""What an export shows: a row a stage, as cells, as metrics, and as a plot."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from heart_reader.edge.config import MeasureConfig
from heart_reader.edge.measure import file_bytes, latencies, peak_memory
from heart_reader.edge.sample import Sample
from heart_reader.edge.stage import Stage
from heart_reader.evaluation import bootstrap
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.evaluation.plots.figures import CLASS_COLORS, GREY, INK, PALE, new_figure, style

BLUE = CLASS_COLORS["STTC"]
COLUMNS = (
    "stage", "kB", "smaller", "parameters", "MMAC", "median ms", "p95 ms", "faster", "peak MB",
    "macro AUC", "difference [95% interval]", "largest difference",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What a stage costs, and what it still knows.

    Attributes:
        name: of the stage.
        n_bytes: of the file, or of the bundle's folder.
        n_parameters, macs: of the network.
        median_ms, p95_ms: of a prediction of one record, on one thread.
        memory_mb: that a process of its own grows by.
        macro_auc: on fold 9.
        difference, low95, high95: to the original, with a paired bootstrap interval.
        largest_difference: of a probability, to the original's.
        notes: what was chosen on the way.
    """

    name: str
    n_bytes: int
    n_parameters: int
    macs: int
    median_ms: float
    p95_ms: float
    memory_mb: float
    macro_auc: float
    difference: float
    low95: float
    high95: float
    largest_difference: float
    notes: str


def measured(
    stages: Sequence[Stage], y_true: NDArray[Any], sample: Sample, config: MeasureConfig, seed: int
) -> list[Row]:
    """A row for each stage; the first is what the others are compared with.

    Args:
        stages: the original first.
        y_true: of fold 9, (n_records, n_classes).
        sample: of fold 9.
        config: how much is measured.
        seed: of the resamples.
    """
    predictors = {stage.name: stage.predictor for stage in stages}
    seconds = latencies(predictors, sample, config.n_runs)
    resamples = bootstrap.draw(y_true, config.n_resamples, np.random.default_rng(seed))
    original = stages[0].y_score
    rows = []
    for stage in stages:
        median, p95 = np.quantile(seconds[stage.name], [0.5, 0.95]) * 1e3
        against = bootstrap.compare(y_true, stage.y_score, original, resamples).macro
        rows.append(
            Row(
                stage.name,
                file_bytes(stage.path),
                stage.n_parameters,
                stage.macs,
                float(median),
                float(p95),
                peak_memory(stage.path),
                float(macro_auc(y_true, stage.y_score)),
                against.value,
                *against.interval_95,
                float(np.abs(stage.y_score - original).max()),
                "; ".join(
                    filter(
                        None, (f"left out: {out}" if (out := stage.left_out) else "", stage.notes)
                    )
                ),
            )
        )
    return rows


# ---------------------------------------------------------------- as text


def cells(row: Row, first: Row) -> tuple[str, ...]:
    """The row as `COLUMNS` show it."""
    return (
        row.name,
        f"{row.n_bytes / 1e3:,.0f}",
        f"{first.n_bytes / row.n_bytes:.1f}",
        f"{row.n_parameters:,}",
        f"{row.macs / 1e6:.1f}",
        f"{row.median_ms:.2f}",
        f"{row.p95_ms:.2f}",
        f"{first.median_ms / row.median_ms:.1f}",
        f"{row.memory_mb:.1f}",
        f"{row.macro_auc:.4f}",
        f"{row.difference:+.4f} [{row.low95:+.4f}, {row.high95:+.4f}]",
        f"{row.largest_difference:.1e}",
    )


def metrics(rows: Sequence[Row]) -> dict[str, float]:
    """``STAGE/n_bytes`` and so on, stages in letters that a metric's name may have."""
    return {
        f"{row.name.replace(' ', '_').replace('-', '_').lower()}/{key}": float(value)
        for row in rows
        for key, value in asdict(row).items()
        if not isinstance(value, str)
    }


# ---------------------------------------------------------------- as a picture


def stage_figure(rows: Sequence[Row], allowed: float, title: str) -> Figure:
    """Size, latency and fold-9 macro AUC of each stage, side by side; the original on top.

    Args:
        rows: the original first.
        allowed: loss of macro AUC, drawn as a band.
        title: of the figure.
    """
    figure = new_figure(11, 1.5 + 0.42 * len(rows))
    panels = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1, 1.25))
    places = np.arange(len(rows))[::-1]
    sizes = np.array([row.n_bytes / 1e3 for row in rows])
    _costs(panels[0], places, sizes, sizes)
    style(panels[0], "Size", "kB", "")
    times = np.array([row.median_ms for row in rows])
    _costs(panels[1], places, times, np.array([row.p95_ms for row in rows]))
    style(panels[1], "Time a record", "ms; dot: median, line: to the 95th percentile", "")
    _aucs(panels[2], places, rows, allowed)
    panels[0].set_yticks(places, [row.name for row in rows])
    panels[0].set_ylim(-0.6, len(rows) - 0.3)
    figure.suptitle(title, fontsize=12, x=0.01, ha="left", color=INK, fontweight="bold")
    return figure


def _costs(
    axes: Axes, places: NDArray[Any], values: NDArray[np.float64], upper: NDArray[np.float64]
) -> None:
    """Dots on a logarithmic axis: bars would have no honest foot."""
    axes.hlines(places, values, upper, color=GREY, linewidth=1.2)
    axes.scatter(values, places, 34, [INK] + [BLUE] * (len(values) - 1), zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(values.min() / 1.5, upper.max() * 2.2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    for place, value in zip(places, values, strict=True):
        ratio = "" if value == values[0] else f" ({values[0] / value:.1f}x less)"
        _label(
            axes, value, place, f"{value:,.0f}{ratio}" if value >= 10 else f"{value:.2f}{ratio}"
        )


def _aucs(axes: Axes, places: NDArray[Any], rows: Sequence[Row], allowed: float) -> None:
    original = rows[0].macro_auc
    low = np.array([original + row.low95 for row in rows])
    high = np.array([original + row.high95 for row in rows])
    axes.axvspan(original - allowed, original, color=PALE, alpha=0.5, zorder=0, linewidth=0)
    axes.axvline(original, color=GREY, linewidth=1)
    axes.hlines(places, low, high, color=BLUE, linewidth=1.6)
    values = np.array([row.macro_auc for row in rows])
    axes.scatter(values, places, 34, [INK] + [BLUE] * (len(rows) - 1), zorder=3)
    margin = 0.1 * max(high.max() - low.min(), 1e-3)
    axes.set_xlim(low.min() - margin, high.max() + 2 * margin)
    for place, value in zip(places, values, strict=True):
        _label(axes, value, place, f"{value:.4f}")
    note = "line: 95% interval of the difference; band: loss allowed"
    style(axes, "Fold-9 macro AUC", note, "")


def _label(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text, (x, y), (0, 5), textcoords="offset points", fontsize=7.5, color=INK, ha="left"
    )
