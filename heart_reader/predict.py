"""Reads ECGs with a registered model, or a bundle folder, and prints what it finds.

python -m heart_reader.predict --model models:/heart-reader-se_resnet1d@candidate RECORD ...
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.cli.entry import run_entry
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.sheets.explained import N_NAMED, explained_sheet
from heart_reader.evaluation.sheets.explanation import Explanation, as_json, waves
from heart_reader.files import user_path
from heart_reader.reading.drawing import (
    abouts,
    draw,
    drawn_of,
    notes_of,
    stems,
)
from heart_reader.reading.explain import explain_all, features_to_explain
from heart_reader.reading.options import predict_parser
from heart_reader.reading.printed import show
from heart_reader.reading.records import (
    Recorded,
    findings_of,
    read_recordings,
    require_all_read,
)
from heart_reader.tasks.task import class_key


def main(words: Sequence[str]) -> None:
    """Reads every record that can be read, predicts, and ends with an error for the others."""
    options = predict_parser().parse_args(words)
    bundle, model = find_bundle(options.model)
    recorded = read_recordings(options, bundle.spec, bundle.lead_sets)
    features = None
    if options.features == "compute":
        features = features_to_explain(bundle, recorded.signals, recorded.age, recorded.sex)
    probabilities = bundle.predict(recorded.signals, features)
    findings = findings_of(bundle, recorded, probabilities)
    if options.explain:
        usable = [quality.usable for quality in recorded.quality]
        explained = explain_all(bundle, recorded.signals, features, probabilities, usable)
        for record, item in enumerate(findings):
            spans = waves(recorded.measured, record, bundle.spec.fs, bundle.spec.n_times)
            item["explanations"] = {
                each.class_name: as_json(each, spans, N_NAMED) for each in explained[record]
            }
        folder = Path(options.explain)
        write_explanations(folder, model, recorded, probabilities, bundle, explained)
    show(model, recorded, findings, options)
    draw(options, model, recorded, probabilities, bundle)
    require_all_read(recorded)


def find_bundle(address: str) -> tuple[AnyBundle, str]:
    """The bundle of a folder or of the registry, and its pinned name."""
    folder = user_path(address)
    if folder.is_dir() or not looks_registered(address):
        return open_bundle(folder), address
    # Only here: a bundle folder is read without MLflow.
    from heart_reader.tracking import load_registered, resolve_version, set_up_reading

    set_up_reading()
    version = resolve_version(address)
    return load_registered(version), version.uri


def looks_registered(address: str) -> bool:
    """Whether it is ``NAME@ALIAS`` or ``NAME/VERSION``, rather than a folder that isn't there."""
    return re.fullmatch(r"models:.*|[^@/]+(@[^@/]+|/\d+)", address) is not None


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
        notes = notes_of(recorded, record)
        for each in explained[record]:
            figure = explained_sheet(
                *drawn, each, recorded.measured, record, subtitle=notes, about=about
            )
            name = f"{stem}_{class_key(each.class_name)}.png"
            print(save(figure, folder / name), file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
