"""What every plot shares: the colour of each class, plain axes, and saving."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from heart_reader.errors import DataError, did_you_mean

# Okabe & Ito, "Color Universal Design", 2008: told apart by every kind of colour vision.
# https://jfly.uni-koeln.de/color/
CLASS_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "NORM": "#009E73",
        "MI": "#D55E00",
        "STTC": "#0072B2",
        "CD": "#CC79A7",
        "HYP": "#E69F00",
    }
)
# For classes that have none of their own: Okabe & Ito's that are left, then Paul Tol's "muted".
# https://sronpersonalpages.nl/~pault/
OTHER_COLORS = (
    "#56B4E9", "#332288", "#882255", "#999933", "#44AA99", "#AA4499", "#117733", "#CC6677",
    "#661100", "#6699CC", "#888888", "#000000",
)  # fmt: skip
INK = "#222222"
GREY = "#8a8a8a"
PALE = "#d9d9d9"


def class_color(name: str) -> str:
    """The one colour of a class, the same in every plot.

    Raises:
        DataError: a class without a colour.
    """
    if name not in CLASS_COLORS:
        raise DataError(f"no colour for class {name!r}{did_you_mean(name, CLASS_COLORS)}")
    return CLASS_COLORS[name]


def class_colors(names: Sequence[str]) -> dict[str, str]:
    """A colour for each class of a plot: its own where it has one, else the next of the others."""
    others = [name for name in names if name not in CLASS_COLORS]
    given = {name: OTHER_COLORS[k % len(OTHER_COLORS)] for k, name in enumerate(others)}
    return {name: CLASS_COLORS.get(name) or given[name] for name in names}


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of that many inches, outside of pyplot's global state."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def style(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Title and labels; no box, a faint grid behind the data."""
    axes.set_title(title, fontsize=11, loc="left", color=INK, fontweight="bold")
    axes.set_xlabel(xlabel, fontsize=9, color=INK)
    axes.set_ylabel(ylabel, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)


def notes(axes: Axes, *lines: str) -> None:
    """Small lines under the title: on what a plot was judged, and what it leaves out."""
    told = [line for line in lines if line]
    title = axes.get_title(loc="left")
    axes.set_title(
        title, fontsize=11, loc="left", color=INK, fontweight="bold", pad=6 + 11 * len(told)
    )
    for place, line in enumerate(reversed(told)):
        axes.annotate(
            line, (0, 1), (0, 5 + 11 * place), xycoords="axes fraction",
            textcoords="offset points", fontsize=8, color=GREY,
        )  # fmt: skip


def save(figure: Figure, path: Path, dpi: int = 150) -> Path:
    """Write a figure in its own size (never cropped: an ECG sheet is to scale)."""
    figure.savefig(path, dpi=dpi)
    return path
