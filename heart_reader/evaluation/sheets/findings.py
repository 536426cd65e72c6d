"""A model's probabilities as bars, with the thresholds that make them findings."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes

from heart_reader.errors import DataError
from heart_reader.evaluation.plots.figures import GREY, INK, PALE, class_colors

FIRST_MM, STEP_MM = 15.0, 11.0  # of the bars, from the top down
BAR_LEFT_MM, BAR_HEIGHT_MM = 17.0, 5.0
KEY_MM = 14.0
NAME_SIZE, SMALLEST, LONGEST_NAME = 9.5, 5.0, 11  # points, points, characters
REST_LETTERS, REST_LINES, REST_LINE_MM = 45, 4, 3.6  # of what has no bar


def check_classes(
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    truth: Mapping[str, bool] | None,
) -> None:
    """Raises a DataError where the mappings name different classes."""
    for what, mapping in (("thresholds", thresholds), ("truth", truth)):
        if mapping is not None and set(mapping) != set(probabilities):
            raise DataError(
                f"{what} names the classes {sorted(mapping)}, but probabilities"
                f" {sorted(probabilities)}"
            )


def shown_classes(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float], most: int
) -> list[str]:
    """All classes in their own order; of too many, those that are most above their thresholds.

    >>> shown_classes({"a": 0.1, "b": 0.9, "c": 0.3}, {"a": 0.5, "b": 0.5, "c": 0.2}, 2)
    ['b', 'c']
    """
    names = list(probabilities)
    if len(names) <= most:
        return names
    return sorted(names, key=lambda name: -probabilities[name] / max(thresholds[name], 1e-9))[
        :most
    ]


def rest_lines(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float], shown: list[str]
) -> list[str]:
    """What is said of the classes that have no bar, in lines; none where all have one.

    >>> rest_lines({"a": 0.1, "b": 0.9, "c": 0.3}, {"a": 0.5, "b": 0.5, "c": 0.2}, ["b"])
    ['2 more classes, of which predicted: c']
    """
    rest = [name for name in probabilities if name not in shown]
    found = [name for name in rest if probabilities[name] >= thresholds[name]]
    if not rest:
        return []
    if not found:
        return [f"{len(rest)} more classes, all below their thresholds"]
    for n_named in range(len(found), 0, -1):
        left = len(found) - n_named
        names = ", ".join(found[:n_named]) + (f" and {left} more" if left else "")
        lines = wrap(f"{len(rest)} more classes, of which predicted: {names}", REST_LETTERS)
        if len(lines) <= REST_LINES:
            return lines
    return [f"{len(rest)} more classes, {len(found)} of them predicted"]


def findings_height(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float], most: int
) -> float:
    """Millimetres that `draw_findings` takes from the top of its axes."""
    shown = shown_classes(probabilities, thresholds, most)
    rest = rest_lines(probabilities, thresholds, shown)
    return FIRST_MM + STEP_MM * len(shown) + KEY_MM + REST_LINE_MM * len(rest)


def draw_findings(
    side: Axes,
    probabilities: Mapping[str, float],
    thresholds: Mapping[str, float],
    truth: Mapping[str, bool] | None,
    most: int,
) -> None:
    """A bar a class, and a key, from the top of axes in millimetres down."""
    top = side.get_ylim()[1]
    side.text(0, top - 2, "Model", fontsize=10, fontweight="bold", color=INK, va="top")
    if not probabilities:
        side.text(4, top - FIRST_MM, "not judged", fontsize=9.5, color=GREY, va="center")
        return
    shown = shown_classes(probabilities, thresholds, most)
    colors = class_colors(shown)
    for place, name in enumerate(shown):
        middle = top - FIRST_MM - STEP_MM * place
        true = truth is not None and truth[name]
        _draw_bar(side, middle, name, probabilities[name], thresholds[name], colors[name], true)
    key = top - FIRST_MM - STEP_MM * len(shown) + 2
    _draw_key(side, key, truth is not None, rest_lines(probabilities, thresholds, shown))


def _draw_bar(
    side: Axes, middle: float, name: str, probability: float, limit: float, color: str, true: bool
) -> None:
    left, width = BAR_LEFT_MM, side.get_xlim()[1] - BAR_LEFT_MM - 13.0
    predicted = probability >= limit
    words: dict[str, Any] = {
        "color": INK,
        "va": "center",
        "fontsize": NAME_SIZE,
        "fontweight": "bold" if predicted else "normal",
    }
    word = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    size = max(SMALLEST, NAME_SIZE * min(1.0, 4.5 / len(word)))
    side.text(4, middle, word, **words | {"fontsize": size})
    side.text(left + width + 2, middle, f"{probability:.0%}", **words)
    height = BAR_HEIGHT_MM
    side.barh(middle, width, height, left, color="#f3f3f3", label=f"{name} scale")
    alpha = 1.0 if predicted else 0.35
    filled = width * probability
    side.barh(middle, filled, height, left, color=color, alpha=alpha, label=name)
    tick = left + width * limit
    ends = [middle - height / 2 - 1.2, middle + height / 2 + 1.2]
    side.plot([tick, tick], ends, color=INK, linewidth=1.4)
    if true:
        side.plot(1, middle, "o", color=INK, markersize=5, label=f"{name} true")


def _draw_key(side: Axes, top: float, truth_known: bool, rest: list[str]) -> None:
    small: dict[str, Any] = {"fontsize": 7.5, "color": GREY, "va": "center"}
    side.plot([0, side.get_xlim()[1]], [top + 4, top + 4], color=PALE, linewidth=0.8)
    side.plot([1, 1], [top - 2, top + 2], color=INK, linewidth=1.4)
    side.text(4, top, "threshold; predicted: bold, full colour", **small)
    if truth_known:
        side.plot(1, top - 5, "o", color=INK, markersize=5)
        side.text(4, top - 5, "true label", **small)
    for place, line in enumerate(rest):
        below = (10 if truth_known else 5) + REST_LINE_MM * place
        side.text(4, top - below, line, **small | {"fontsize": 6.8})
