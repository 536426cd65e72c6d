"""Pictures of recordings and of what was said of them: sheets to look at, pages to print."""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from heart_reader.bundle.measuring import Features
from heart_reader.data.demo.marks import is_synthetic, marked
from heart_reader.data.features import as_twelve
from heart_reader.data.formats.identity import identity_of
from heart_reader.data.quality import GOOD
from heart_reader.data.recordings.windows import span
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.report import by_class
from heart_reader.evaluation.sheets.ecg import About, ecg_sheet
from heart_reader.evaluation.sheets.page import report_page
from heart_reader.reading.printed import show
from heart_reader.reading.read import Record
from heart_reader.reading.records import (
    Reader,
    Recorded,
    findings_of,
    input_notes,
    read_recordings,
    require_all_read,
    told_of_model,
    window_notes,
)

Drawn = tuple[Any, float, str, Mapping[str, float], Mapping[str, float]]


def draw(
    options: argparse.Namespace,
    model: str,
    recorded: Recorded,
    probabilities: Any,
    reader: Reader,
) -> None:
    """The pictures that were asked for; their paths go to stderr, so that JSON stays JSON."""
    known = abouts(recorded, model)
    for record, stem in enumerate(stems(recorded.recordings)):
        drawn = drawn_of(recorded, record, probabilities, reader)
        about, usable = known[record], recorded.answers[record].quality.usable
        trust = trust_notes(reader, probabilities[record], usable)
        notes = "; ".join(filter(None, (*trust, notes_of(recorded, record, reader))))
        if options.plot:
            sheet = ecg_sheet(*drawn, subtitle=notes, about=about)
            _write(sheet, Path(options.plot) / f"{stem}.png")
        if options.report:
            identity = identity_of(recorded.recordings[record].name) if options.identify else None
            about = replace(about, person=str(identity or ""))
            page = report_page(*drawn, about, options.layout, notes)
            _write(page, Path(options.report) / f"{stem}.{options.report_format}")


def read_with(reader: Reader, model: str, options: argparse.Namespace) -> None:
    """What `predict` does but for explanations, with any reader."""
    recorded = told_of_model(
        read_recordings(options, reader.spec, reader.lead_sets), reader.provenance
    )
    features: Features = "compute" if options.features == "compute" else None
    age, sex = recorded.of_windows(recorded.age), recorded.of_windows(recorded.sex)
    said = reader.predict(recorded.signals, features, age, sex, recorded.lengths)
    probabilities = recorded.means(said)
    findings = findings_of(reader, recorded, probabilities)
    named = marked(model, is_synthetic(reader.provenance))
    show(model if options.json else named, recorded, findings, options)
    draw(options, named, recorded, probabilities, reader)
    require_all_read(recorded)


def _write(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    print(save(figure, path), file=sys.stderr)


# ---------------------------------------------------------------- what stands on every picture


def abouts(recorded: Recorded, model: str) -> list[About]:
    """What stands on a sheet beside each ECG."""
    rows = zip(recorded.age, recorded.sex, recorded.answers, strict=True)
    return [About(float(age), float(sex), each.measured, model) for age, sex, each in rows]


def trust_notes(reader: Reader, probabilities: Any, usable: bool) -> list[str]:
    """What a picture says of how far a record's answer can be trusted."""
    if not usable:
        return []
    unsure = reader.trust.uncertain(probabilities, reader.labels(probabilities))
    named = [c for c, there in zip(reader.task.classes, unsure, strict=True) if there]
    told = ["probabilities are calibrated"] if reader.trust.calibrated else []
    return [*told, f"uncertain: {', '.join(named)}"] if named else told


def notes_of(recorded: Recorded, record: int, reader: Reader) -> str:
    """How good a recording is, what was done to it, and what was odd in it."""
    recording, answer = recorded.recordings[record], recorded.answers[record]
    quality = answer.quality
    told = [] if quality.verdict == GOOD else [f"{quality.verdict}: {w}" for w in quality.reasons]
    windows = window_notes(recording, answer, reader.spec)
    if windows:
        windows.append(f"drawn: {span(recording.windows.starts[answer.within[0]], reader.spec)}")
    return "; ".join((*told, *input_notes(recording, reader), *windows, *answer.warnings))


def drawn_of(recorded: Recorded, record: int, probabilities: Any, reader: Reader) -> Drawn:
    """What every picture of a recording begins with; of an unusable one without a model's word."""
    recording, answer = recorded.recordings[record], recorded.answers[record]
    usable = answer.quality.usable
    return (
        as_twelve(recorded.signals[[answer.shown]], reader.spec.leads)[0],
        reader.spec.fs,
        Path(recording.name).name,
        by_class(probabilities[record], reader.task.classes) if usable else {},
        by_class(reader.thresholds, reader.task.classes) if usable else {},
    )


def stems(recordings: list[Record]) -> list[str]:
    """A file name for each; records of one name in several folders keep theirs apart by their
    whole path."""
    names = [Path(recording.name).stem for recording in recordings]
    if len(set(names)) < len(names):
        names = [recording.name.strip("./").replace("/", "_") for recording in recordings]
    return names
