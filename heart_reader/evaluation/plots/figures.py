"""What every plot shares: the colour of each class, plain axes, and saving."""

from collections.abc import Mapping
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


def save(figure: Figure, path: Path, dpi: int = 150) -> Path:
    """Write a figure in its own size (never cropped: an ECG sheet is to scale)."""
    figure.savefig(path, dpi=dpi)
    return path
