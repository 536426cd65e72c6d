"""Why a model said what it said of recordings: sheets, and the same as JSON values."""

import sys
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.sheets.explained import N_NAMED, explained_sheet
from heart_reader.evaluation.sheets.explanation import Explanation, as_json, waves
from heart_reader.reading.drawing import abouts, drawn_of, notes_of, stems
from heart_reader.reading.explain import explain_all
from heart_reader.reading.records import Recorded
from heart_reader.tasks.task import class_key


def explain_into(
    folder: Path,
    model: str,
    recorded: Recorded,
    features: NDArray[Any] | None,
    probabilities: NDArray[Any],
    bundle: AnyBundle,
) -> list[dict[str, Any]]:
    """Writes a sheet for each class that is explained, of the window that is shown.

    Args:
        folder: where the sheets go.
        model: its name.
        recorded: what was read.
        features: of every window, as the model read them.
        probabilities: of every record.
        bundle: the model.

    Returns:
        For each record what moved each class, as JSON values.
    """
    shown = recorded.shown
    usable = [answer.quality.usable for answer in recorded.answers]
    of_shown = None if features is None else features[shown]
    signals, own = recorded.signals[shown], recorded.lengths[shown]
    explained = explain_all(bundle, signals, of_shown, probabilities, usable, own)
    write_explanations(folder, model, recorded, probabilities, bundle, explained)
    found = []
    for window, each in zip(shown, explained, strict=True):
        spans = waves(recorded.measured, window, bundle.spec.fs, bundle.spec.n_times)
        found.append({why.class_name: as_json(why, spans, N_NAMED) for why in each})
    return found


def write_explanations(
    folder: Path,
    model: str,
    recorded: Recorded,
    probabilities: Any,
    bundle: AnyBundle,
    explained: list[list[Explanation]],
) -> None:
    """``NAME_CLASS.png`` for each class that is explained; the paths go to stderr."""
    folder.mkdir(parents=True, exist_ok=True)
    named = zip(stems(recorded.recordings), abouts(recorded, model), strict=True)
    for record, (stem, about) in enumerate(named):
        drawn = drawn_of(recorded, record, probabilities, bundle)
        measured = (recorded.measured, recorded.shown[record])
        notes = notes_of(recorded, record, bundle)
        for each in explained[record]:
            figure = explained_sheet(*drawn, each, *measured, subtitle=notes, about=about)
            name = f"{stem}_{class_key(each.class_name)}.png"
            print(save(figure, folder / name), file=sys.stderr)
