"""The C kit of a device folder: an INT8 TFLite file as C99, with golden vectors and a Makefile."""

import shutil
from collections import Counter
from math import gcd
from pathlib import Path

import numpy as np

from heart_reader.data.features import FeatureEncoder
from heart_reader.edge.ckit import emit, golden
from heart_reader.edge.ckit.emit import Meaning
from heart_reader.edge.ckit.facts import Facts
from heart_reader.edge.ckit.golden import Golden, Records, golden_records
from heart_reader.edge.ckit.graph import Graph, read_graph
from heart_reader.edge.ckit.lowering.table import lowered
from heart_reader.edge.ckit.plan import Plan, planned
from heart_reader.edge.ckit.program import Program
from heart_reader.edge.ckit.reference import reference_answers
from heart_reader.edge.ckit.rewrite import quantised_first
from heart_reader.edge.ckit.texts import readme
from heart_reader.edge.formats.tflite_format import LiteRuntime
from heart_reader.evaluation.trust.calibrator import Calibrator

KIT_FOLDER, SOURCE = "c", ".int8.tflite"
SOURCES = Path(__file__).parent / "sources"


def write_kit(
    folder: Path,
    path: Path,
    meaning: Meaning,
    encoder: FeatureEncoder | None,
    synthetic: bool,
) -> Facts:
    """Writes the kit of a TFLite file.

    Args:
        folder: is made.
        path: of the file; 8 bits inside.
        meaning: of its numbers.
        encoder: of the features that it reads; ``None``: it reads none.
        synthetic: whether the model was trained on synthetic ECGs.

    Raises:
        ModelError: an operator that the kit doesn't have; nothing is written then.
    """
    graph = quantised_first(read_graph(path))
    program = lowered(graph, path)
    plan = planned_for(program, graph)
    records = golden_records(meaning.spec, encoder)
    answers = reference_answers(path, read_graph(path), program.last_codes, records.feed())
    calibrator = Calibrator(meaning.curves) if meaning.curves else None
    vectors = Golden(records, answers, calibrator, meaning.spec)
    apart = float(np.abs(_usual(path, records) - answers.probabilities).max())
    facts = _facts(program, plan, meaning, apart)
    folder.mkdir()
    for each in sorted(SOURCES.iterdir()):
        shutil.copyfile(each, folder / each.name)
    texts = {
        "hr_model.h": emit.header(program, graph, plan, meaning),
        "hr_model.c": emit.source(program, graph, plan, meaning),
        "hr_golden.h": golden.header(vectors, meaning.source),
        "hr_golden.c": golden.source(vectors, meaning.source),
        "README.md": readme(meaning, facts, synthetic),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return facts


def planned_for(program: Program, graph: Graph) -> Plan:
    """The arena of a program."""
    given = [number for name, number in graph.inputs.items() if name != "signal"]
    return planned(program.steps, graph.tensors, given, [program.last_codes])


def _usual(path: Path, records: Records) -> np.ndarray:
    """What the interpreter says with the kernels that it chooses."""
    runtime = LiteRuntime(path)
    if not runtime.n_features:
        return runtime.probabilities(records.signal, None, None)
    return runtime.probabilities(records.signal, records.features, records.mask)


def _facts(program: Program, plan: Plan, meaning: Meaning, apart: float) -> Facts:
    fs = meaning.spec.fs
    return Facts(
        meaning.source,
        plan.n_bytes,
        program.n_constant_bytes,
        sum(step.n_macs for step in program.steps),
        Counter(step.title for step in program.steps if step.call),
        2 * 10 * max(500, fs) // gcd(500, fs) + 1,
        apart,
    )
