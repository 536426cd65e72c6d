"""What a version says of fold 9, as rows of the log: what today's answers are held against."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.config.load import Config
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import VALIDATION_FOLD, age_years
from heart_reader.errors import ModelError
from heart_reader.predictions.columns import ANSWER, PREDICT
from heart_reader.predictions.journal import Row
from heart_reader.progress import progress
from heart_reader.reading.logged import Origin, kept_of
from heart_reader.reading.records import findings_of, recorded_of
from heart_reader.reading.sent import Beside, of_signals
from heart_reader.tracking import ModelVersion, Run
from registry.client import pinned
from registry.ground.fold9 import data_present, load_records
from registry.ground.logged import Logged, read_logged
from registry.watch.sample import Sample, bare_sample, sample_of

FILE = f"answers_fold{VALIDATION_FOLD}.jsonl"
CHUNK = 128  # records


@dataclass(frozen=True)
class Reference:
    """Fold 9.

    Attributes:
        sample: of the answers.
        logged: labels and scores; ``None`` where the version brought none.
        whole: with measurements, quality and novelty, not the probabilities alone.
    """

    sample: Sample
    logged: Logged | None
    whole: bool


def find_reference(version: ModelVersion, bundle: AnyBundle, config: Config) -> Reference:
    """From the version's run, else made of the data where they are, else from its predictions.

    What is made is kept in the version's run.

    Raises:
        ModelError: none of the three is there.
    """
    classes = bundle.task.classes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logged = _logged(version, folder)
        kept = Run(version.run_id).download(FILE, folder) if version.run_id else None
        if kept is not None:
            rows = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
            return Reference(sample_of(rows, classes), logged, True)
        if data_present(config.data.root):
            rows = answers_of_fold9(pinned(version), bundle, load_records([bundle], config))
            if version.run_id:
                lines = "".join(json.dumps(row) + "\n" for row in rows)
                (folder / FILE).write_text(lines, "utf-8")
                Run(version.run_id).log_file(folder / FILE)
            return Reference(sample_of(rows, classes), logged, True)
    if logged is None:
        raise ModelError(
            f"{pinned(version)} has no fold-9 predictions logged with it, and there is no PTB-XL "
            f"at {config.data.root!r}: give data=PATH"
        )
    labels = bundle.labels(logged.own)
    unsure = bundle.trust.uncertain(logged.own, labels)
    return Reference(bare_sample(logged.own, labels, unsure, classes), logged, False)


def _logged(version: ModelVersion, folder: Path) -> Logged | None:
    try:
        return read_logged(version, folder)
    except ModelError:
        return None


def answers_of_fold9(model: str, bundle: AnyBundle, records: Records) -> list[Row]:
    """Rows as the log has them, one a record of fold 9."""
    rows = records.rows((VALIDATION_FOLD,))
    said = []
    chunks = [rows[k : k + CHUNK] for k in range(0, len(rows), CHUNK)]
    for chunk in progress(chunks, "asking about fold 9", f"x {CHUNK} records"):
        about = records.metadata.iloc[chunk]
        people = zip(age_years(about), about["sex"].to_numpy(), strict=True)
        said += list(answer(model, bundle, records.millivolts(chunk), list(people)))
    return said


def answer(
    model: str, bundle: AnyBundle, signals: np.ndarray, people: Sequence[tuple[float, float]]
) -> Iterator[Row]:
    """Rows of what a bundle says of signals (n, n_leads, n_times), mV, as it reads them.

    Args:
        model: its name in the rows.
        bundle: that is asked.
        signals: as many as a request may have.
        people: age (years) and sex of each, NaN where unknown.
    """
    read = of_signals(list(signals), Beside(None, None, None), bundle.spec, bundle.lead_sets)
    aged = [
        replace(each, age=float(age), sex=float(sex))
        for each, (age, sex) in zip(read, people, strict=True)
    ]
    recorded = recorded_of(list(aged), bundle.spec, bundle.lead_sets)
    features = recorded.features(bundle.feature_source)
    said = bundle.answer(recorded.signals, features, lengths=recorded.lengths)
    findings = findings_of(bundle, recorded, recorded.means(said.probabilities), said.novelty)
    origin = Origin(model, "", ANSWER, PREDICT)
    nameless = [None] * len(findings)
    yield from (vars(row) for row in kept_of(origin, recorded, findings, features, nameless))
