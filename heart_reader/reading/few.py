"""Some ECGs at once: printed, and drawn, explained and written as was asked for."""

import argparse

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.data.demo.marks import is_synthetic, marked
from heart_reader.reading.logged import log_call
from heart_reader.reading.printed import show
from heart_reader.reading.records import (
    findings_of,
    read_recordings,
    require_all_read,
    told_of_model,
)
from heart_reader.reading.tables.windows import write_windows


def read_few(options: argparse.Namespace, bundle: AnyBundle, model: str) -> None:
    """What `predict` does without ``--out``.

    Raises:
        DataError: some files were refused; the others are answered.
    """
    read = read_recordings(options, bundle.spec, bundle.lead_sets)
    recorded = told_of_model(read, bundle.provenance)
    named = marked(model, is_synthetic(bundle.provenance))
    wanted = options.features == "compute"
    features = recorded.features(bundle.feature_source) if wanted else None
    answered = bundle.answer(recorded.signals, features, lengths=recorded.lengths)
    scores = answered.probabilities
    probabilities = recorded.means(scores)
    findings = findings_of(bundle, recorded, probabilities, answered.novelty)
    log_call(bundle, model, recorded, findings, features)
    if options.fhir:
        from heart_reader.reading.fhir import write_fhir

        write_fhir(options.fhir, named, recorded, findings, options.identify)
    if options.windows:
        write_windows(options.windows, bundle, recorded, scores)
    if options.explain:
        from heart_reader.reading.explained import explain_into

        why = explain_into(options.explain, named, recorded, features, probabilities, bundle)
        for item, explanations in zip(findings, why, strict=True):
            item["explanations"] = explanations
    show(model if options.json else named, recorded, findings, options)
    if options.plot or options.report:
        # matplotlib and scikit-learn's metrics take as long to import as an answer takes.
        from heart_reader.reading.drawing import draw

        draw(options, named, recorded, probabilities, bundle)
    require_all_read(recorded)
