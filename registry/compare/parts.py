"""The same differences for parts of the patients, and sheets of the records that divide models.

Both need the records themselves; where they aren't on this machine, the page says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heart_reader.config.request import ConfigRequest
from heart_reader.data.dataset import Records
from heart_reader.data.delineation import delineate
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.errors import DataError
from heart_reader.evaluation import bootstrap, metrics, report
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.sheets.ecg import ecg_sheet
from heart_reader.tracking import load_registered
from registry.compare.measure import Comparison, Value, difference_of, held, value_of
from registry.compare.opinions import Opinion
from registry.gate.parts import SMALLEST, WORDS, parts_of
from registry.ground.fold9 import data_present, data_root_of, load_records

N_WHOLE = 2  # models whose three likeliest classes find room on a sheet
N_ENDS = 2  # of more, those that say most, and those that say least
TOO_FEW = f"parts with fewer than {SMALLEST} records are left out"


@dataclass(frozen=True)
class Part:
    """Some of the patients.

    Attributes:
        name: such as ``women over 75``.
        n: records.
        first: macro AUC of the first model.
        gains: of each other one, against it.
        sure: whether that holds among all parts and models, by Holm.
    """

    name: str
    n: int
    first: Value
    gains: tuple[Value, ...]
    sure: tuple[bool, ...] = ()


def find_records(
    opinions: Sequence[Opinion], config: ConfigRequest
) -> tuple[Records, NDArray[np.intp]] | str:
    """The records that were judged, and their rows; or why they aren't there."""
    versions = [each.version for each in opinions if each.version is not None]
    if not versions and not config.names_data:
        return "runs say nothing of their data, give data=PATH"
    root = config.changes["data.root"] if config.names_data else data_root_of(versions[0])
    if not data_present(root):
        return f"there are no records at {root!r}, give data=PATH"
    provenance = load_registered(versions[0]).provenance if versions else {}
    chosen = config.for_bundle(provenance)
    records = load_records([], chosen)
    rows = records.rows((VALIDATION_FOLD,))
    if not np.array_equal(records.ecg_id[rows], opinions[0].logged.ecg_id):
        return f"the records at {chosen.data.root!r} are others than those that were judged"
    return records, rows


def measure_parts(
    opinions: Sequence[Opinion], records: Records, rows: NDArray[np.intp], n_resamples: int
) -> list[Part]:
    """Each part of the patients, paired on the same resamples of it; all are judged together."""
    y_true = opinions[0].logged.y_true
    scores = [each.logged.judged for each in opinions]
    found = []
    for name, part in parts_of(records.metadata.iloc[rows]):
        if part.sum() >= SMALLEST:
            measured = _measure(y_true[part], [each[part] for each in scores], n_resamples)
            if measured is not None:
                found.append(Part(_spoken(name), int(part.sum()), *measured))
    sure = held([[gain.p for gain in part.gains] for part in found])
    return [
        Part(part.name, part.n, part.first, part.gains, each)
        for part, each in zip(found, sure, strict=True)
    ]


def _spoken(name: str) -> str:
    """
    >>> _spoken("sex/female"), _spoken("age/60_to_80"), _spoken("women over 75")
    ('women', 'age 60 to 80', 'women over 75')
    """
    kind, _, value = name.replace("_", " ").partition("/")
    return WORDS[value] if kind == "sex" else f"{kind} {value}".strip()


def _measure(
    y_true: NDArray[np.uint8], scores: Sequence[NDArray[np.float32]], n_resamples: int
) -> tuple[Value, tuple[Value, ...]] | None:
    try:
        resamples = report.resamples_for(y_true, n_resamples)
    except DataError:  # a part without a positive of any class
        return None
    macro = [
        metrics.mean_defined(
            np.concatenate(
                [
                    metrics.defined_auc(y_true, each)[None],
                    bootstrap.auc_bootstrap(y_true, each, resamples),
                ]
            )
        )
        for each in scores
    ]
    return value_of(macro[0]), tuple(difference_of(each - macro[0]) for each in macro[1:])


# ---------------------------------------------------------------- sheets


def write_sheets(
    found: Comparison,
    opinions: Sequence[Opinion],
    records: Records,
    rows: NDArray[np.intp],
    n_sheets: int,
    folder: Path,
) -> list[Path]:
    """ECG sheets of the records on which the models differ most, with what each says."""
    folder.mkdir(parents=True, exist_ok=True)
    logged = opinions[0].logged
    ids = found.apart["ecg_id"].tolist()[:n_sheets] if len(found.apart) else []
    at = [int(np.flatnonzero(logged.ecg_id == each)[0]) for each in ids]
    if not at:
        return []
    signals = records.twelve(rows[at])  # (n, 12, n_times)
    known = report.abouts(records, rows[at], delineate(signals, records.pack.fs), opinions[0].name)
    made = []
    for k, row in enumerate(at):
        first = opinions[0]
        figure = ecg_sheet(
            signals[k],
            records.pack.fs,
            report.record_name(records, rows[row]),
            report.by_class(first.logged.judged[row], logged.classes),
            report.by_class(first.thresholds, logged.classes),
            report.by_class(logged.y_true[row] == 1, logged.classes),
            said_of(opinions, row, logged.classes.index(found.apart["class"][k])),
            known[k],
        )
        path = folder / f"apart_{k + 1}_{logged.ecg_id[row]:05d}.png"
        made.append(save(figure, path, 110))
    return made


def said_of(opinions: Sequence[Opinion], row: int, c: int) -> str:
    """What each model says of a record, in a line: the bars beside are the first one's.

    Of more than two there is room for one class, and for those that lie furthest apart.

    Args:
        opinions: of all.
        row: of the record.
        c: the class on which they differ most.
    """
    classes = opinions[0].logged.classes
    if len(opinions) > N_WHOLE:
        told = [(float(each.logged.judged[row, c]), each.name) for each in opinions]
        told.sort(reverse=True)
        ends = told if len(told) <= 2 * N_ENDS else [*told[:N_ENDS], *told[-N_ENDS:]]
        return f"{classes[c]}: " + ", ".join(f"{name} {score:.2f}" for score, name in ends)
    lines = []
    for each in opinions:
        scores = each.logged.judged[row]
        top = np.argsort(-scores)[:3]
        words = ", ".join(f"{classes[k]} {scores[k]:.2f}" for k in top)
        lines.append(f"{each.name}: {words}")
    return "   |   ".join(lines)
