"""Reads ECGs with a registered model, or a bundle folder, and prints what it finds.

python -m heart_reader.predict --model models:/heart-reader-se_resnet1d@candidate RECORD ...
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.cli.entry import run_entry
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.sheets.explained import N_NAMED, explained_sheet
from heart_reader.evaluation.sheets.explanation import Explanation, as_json, waves
from heart_reader.reading.drawing import (
    abouts,
    add_drawing_options,
    draw,
    drawn_of,
    notes_of,
    stems,
)
from heart_reader.reading.explain import explain_all, features_to_explain
from heart_reader.reading.printed import show
from heart_reader.reading.records import (
    Recorded,
    add_record_options,
    findings_of,
    read_recordings,
    require_all_read,
)
from heart_reader.tasks.task import class_key


def main() -> None:
    """Reads every record that can be read, predicts, and ends with an error for the others."""
    options = parse_options()
    bundle, model = find_bundle(options.model)
    recorded = read_recordings(options, bundle.spec)
    features = None
    if options.features == "compute":
        features = features_to_explain(bundle, recorded.signals, recorded.age, recorded.sex)
    probabilities = bundle.predict(recorded.signals, features)
    findings = findings_of(bundle, recorded, probabilities)
    if options.explain:
        usable = [quality.usable for quality in recorded.quality]
        explained = explain_all(bundle, recorded.signals, features, probabilities, usable)
        for record, item in enumerate(findings):
            spans = waves(recorded.measured, record)
            item["explanations"] = {
                each.class_name: as_json(each, spans, N_NAMED) for each in explained[record]
            }
        folder = Path(options.explain)
        write_explanations(folder, model, recorded, probabilities, bundle, explained)
    show(model, recorded, findings, options)
    draw(options, model, recorded, probabilities, bundle)
    require_all_read(recorded)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m heart_reader.predict", description=__doc__)
    parser.add_argument("--model", required=True, help="models:/NAME@ALIAS or a bundle folder")
    add_record_options(parser)
    add_drawing_options(parser)
    parser.add_argument(
        "--explain",
        metavar="FOLDER",
        help="write a sheet for each label found, with what moved its probability",
    )
    return parser.parse_args()


def find_bundle(address: str) -> tuple[AnyBundle, str]:
    """The bundle of a folder or of the registry, and its pinned name."""
    if not address.startswith("models:"):
        return open_bundle(Path(address)), address
    # Only here: a bundle folder is read without MLflow.
    from heart_reader.tracking import load_registered, resolve_version, set_up_tracking

    set_up_tracking()
    version = resolve_version(address)
    return load_registered(version), version.uri


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
