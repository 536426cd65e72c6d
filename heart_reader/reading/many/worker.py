"""One process of several that read files: it holds the model, and answers a chunk at a time."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.predictions.log import find_log
from heart_reader.reading.logged import log_answers, origin_of
from heart_reader.reading.read import Record, Refused, read_files
from heart_reader.reading.records import findings_of, recorded_of, told_of_model
from heart_reader.reading.tables.files import Row
from heart_reader.reading.tables.rows import refused_row, result_row

_held: dict[str, AnyBundle] = {}  # of this process


def start(folder: str) -> None:
    """Opens the model; each process computes on one core, since there are as many as cores."""
    import torch

    torch.set_num_threads(1)
    _held["model"] = open_bundle(Path(folder))


def rows_of(
    names: Sequence[str], options: argparse.Namespace, versions: Mapping[str, str]
) -> list[Row]:
    """A row for each file, in order."""
    bundle = _held["model"]
    read = read_files(names, options, bundle.spec, bundle.lead_sets)
    answered: list[Row] = []
    if any(isinstance(each, Record) for each in read):
        found = recorded_of(read, bundle.spec, bundle.lead_sets)
        recorded = told_of_model(found, bundle.provenance)
        features = None
        if options.features == "compute":
            features = recorded.features(bundle.feature_source)
        said = bundle.answer(recorded.signals, features, lengths=recorded.lengths)
        scores = recorded.means(said.probabilities)
        found_of = findings_of(bundle, recorded, scores, said.novelty)
        log = find_log(background=False)  # the call moves all at its end
        if log is not None:
            log_answers(log, origin_of(versions), recorded, found_of, features)
            log.journal.close()  # so that the call can take it while this process lives
        answered = [result_row(each, versions) for each in found_of]
    rows = iter(answered)
    return [
        refused_row(each, versions) if isinstance(each, Refused) else next(rows) for each in read
    ]
