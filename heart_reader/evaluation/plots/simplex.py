"""Macro AUC over the weights of an ensemble: a line for two members, a triangle for three."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from heart_reader.errors import DataError
from heart_reader.evaluation.checks import Floats
from heart_reader.evaluation.plots.figures import INK, new_figure, style


@dataclass(frozen=True)
class Look:
    """How a mark is told from the others: by colour, shape and dashes."""

    color: str
    marker: str
    size: float
    dashes: str


LOOKS = (
    Look("#D55E00", "*", 260, "-"),
    Look("#222222", "o", 60, "--"),
    Look("#0072B2", "D", 60, ":"),
    Look("#CC79A7", "s", 60, "-."),
)

# Corners of the triangle: top, lower left, lower right.
CORNERS = np.array([[0.5, np.sqrt(3) / 2], [0.0, 0.0], [1.0, 0.0]])


def simplex_figure(
    points: Floats, values: Floats, names: Sequence[str], marks: Mapping[str, Floats]
) -> Figure:
    """A map of the macro AUC over the weights.

    Args:
        points: (n_points, n_members), 2 or 3 members, each row adds up to 1.
        values: (n_points,).
        names: of the members.
        marks: weights (n_members,) to point out, such as the chosen ones.

    Raises:
        DataError: another number of members.
    """
    if points.shape[1] == 2:
        return _line(points, values, names, marks)
    if points.shape[1] != 3:
        raise DataError(f"a simplex of {points.shape[1]} members can't be drawn, only 2 or 3")
    return _triangle(points, values, names, marks)


def _line(
    points: Floats, values: Floats, names: Sequence[str], marks: Mapping[str, Floats]
) -> Figure:
    figure = new_figure(6, 4)
    axes = figure.add_subplot()
    order = np.argsort(points[:, 0])
    axes.plot(points[order, 0], values[order], color=INK)
    for (name, weights), look in zip(merged(marks).items(), LOOKS, strict=False):
        label = _label(name, weights)
        axes.axvline(float(weights[0]), color=look.color, linestyle=look.dashes, label=label)
    style(axes, "Fold-9 macro AUC over the weights", f"weight of {names[0]}", "macro AUC")
    axes.legend(fontsize=8, frameon=False, title=f"the rest is {names[1]}", title_fontsize=8)
    return figure


def _triangle(
    points: Floats, values: Floats, names: Sequence[str], marks: Mapping[str, Floats]
) -> Figure:
    figure = new_figure(6.6, 5.6)
    axes = figure.add_subplot()
    x, y = (points @ CORNERS).T
    levels = axes.tricontourf(x, y, values, levels=24, cmap="viridis")
    axes.tricontour(x, y, values, levels=8, colors="white", linewidths=0.4, alpha=0.6)
    bar = figure.colorbar(levels, ax=axes, shrink=0.8, format="%.4f")
    bar.set_label("fold-9 macro AUC", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    _corner_labels(axes, points, values, names)
    for (name, weights), look in zip(merged(marks).items(), LOOKS, strict=False):
        at, label = np.asarray(weights) @ CORNERS, _label(name, weights)
        axes.scatter(
            at[0], at[1], look.size, look.color, marker=look.marker, edgecolors="white",
            label=label, zorder=3,
        )  # fmt: skip
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    axes.set_title(
        "Macro AUC over the weights of the members",
        fontsize=11,
        loc="left",
        color=INK,
        fontweight="bold",
    )
    axes.set_xlim(-0.18, 1.18)
    axes.set_ylim(-0.13, 1.0)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure


def merged(marks: Mapping[str, Floats]) -> dict[str, Floats]:
    """Marks of the same weights as one, with both names: one would hide the other.

    >>> list(merged({"chosen": np.array([0.5, 0.5]), "mean": np.array([0.5, 0.5])}))
    ['chosen = mean']
    """
    found: dict[str, Floats] = {}
    for name, weights in marks.items():
        same = next((old for old, w in found.items() if np.allclose(w, weights, atol=5e-4)), None)
        if same is None:
            found[name] = weights
        else:
            found = {f"{n} = {name}" if n == same else n: w for n, w in found.items()}
    return found


def _label(name: str, weights: Floats) -> str:
    return f"{name} ({', '.join(f'{weight:.2f}' for weight in weights)})"


def _corner_labels(axes: Axes, points: Floats, values: Floats, names: Sequence[str]) -> None:
    places = (((0, 8), "bottom"), ((0, -8), "top"), ((0, -8), "top"))
    for k, (name, (offset, side)) in enumerate(zip(names, places, strict=True)):
        alone = values[points[:, k].argmax()]
        axes.annotate(
            f"{name}\nalone {alone:.4f}", CORNERS[k], offset, textcoords="offset points",
            ha="center", va=side, fontsize=9, color=INK,
        )  # fmt: skip
