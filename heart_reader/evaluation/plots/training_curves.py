"""How a training run went, epoch by epoch."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from heart_reader.errors import DataError
from heart_reader.evaluation.plots.chosen import MOST
from heart_reader.evaluation.plots.figures import GREY, INK, class_colors, new_figure, style

OF_CLASS = "val/auc_"
REQUIRED = ("train/loss", "val/loss", "val/macro_auc", "lr")


def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Losses, AUC of each class, and learning rate; a line where macro AUC was best.

    ``history`` holds one mapping an epoch: ``train/loss``, ``val/loss``, ``val/macro_auc``,
    ``lr``, and ``val/auc_NORM`` and its like where known.

    Raises:
        DataError: no epoch, or an epoch without one of the metrics above.
    """
    _check(history)
    epochs = np.arange(1, len(history) + 1)
    best = int(np.argmax(_series(history, "val/macro_auc")))
    figure = new_figure(12, 3.8)
    loss, auc, lr = figure.subplots(1, 3)
    _line(loss, history, "train/loss", GREY, "train")
    _line(loss, history, "val/loss", INK, "validation")
    style(loss, "Loss", "Epoch", "")
    names = [key.removeprefix(OF_CLASS) for key in history[0] if key.startswith(OF_CLASS)]
    if len(names) <= MOST:  # lines of more aren't told apart
        for name, color in class_colors(names).items():
            _line(auc, history, f"{OF_CLASS}{name}", color, name, width=1.2)
    _line(auc, history, "val/macro_auc", INK, "macro", width=2.4)
    top = history[best]["val/macro_auc"]
    style(auc, f"Validation AUC, best {top:.4f} in epoch {best + 1}", "Epoch", "")
    _line(lr, history, "lr", INK, "learning rate")
    style(lr, "Learning rate", "Epoch", "")
    for axes in (loss, auc, lr):
        axes.axvline(epochs[best], color=GREY, linewidth=0.9, linestyle=":")
        axes.xaxis.get_major_locator().set_params(integer=True)
    loss.legend(fontsize=8.5, frameon=False)
    auc.legend(fontsize=8.5, frameon=False, ncols=2, loc="lower right")
    return figure


def _check(history: Sequence[Mapping[str, float]]) -> None:
    if not history:
        raise DataError("the history of a training run must hold at least one epoch, but is empty")
    for epoch, metrics in enumerate(history, start=1):
        missing = [name for name in REQUIRED if name not in metrics]
        if missing:
            raise DataError(f"epoch {epoch} of the history lacks {', '.join(missing)}")


def _series(history: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [metrics.get(name, np.nan) for metrics in history]


def _line(
    axes: Axes,
    history: Sequence[Mapping[str, float]],
    name: str,
    color: str,
    label: str,
    width: float = 1.8,
) -> None:
    values = _series(history, name)
    # a single epoch is a dot, not an invisible line
    marker = "o" if len(values) == 1 else "None"
    epochs = range(1, len(values) + 1)
    axes.plot(epochs, values, color=color, linewidth=width, label=label, marker=marker)
