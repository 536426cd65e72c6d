"""What is kept of an answer where answers are logged: no signal, no name, no sex."""

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.bundle.folders import folder_digest
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.data import delineation
from heart_reader.data.delineation.warnings import LEAD_REVERSAL, SPIKES_CUT
from heart_reader.data.demo.marks import SYNTHETIC
from heart_reader.data.recordings.model_input import CONTRADICTED
from heart_reader.files import user_path
from heart_reader.predictions.columns import ANSWER, PREDICT, Answered
from heart_reader.predictions.log import Log, find_log, now
from heart_reader.reading.answers import Answer
from heart_reader.reading.models.found import looks_registered
from heart_reader.reading.records import Recorded

# Of the features, those in which a changed machine, cable or patient shows first.
KEPT = ("P_AxisFront_Global", "T_AxisFront_Global", "P_Amp_II", "R_Amp_I", "R_Amp_II", "S_Amp_V1",
        "R_Amp_V5", "T_Amp_V5", "ST_Amp_V2")  # fmt: skip
_COLUMNS = [delineation.FEATURE_NAMES.index(name) for name in KEPT]
TWICE = "qtc_ms"  # the same as qtc_fridericia_ms
# What is odd about a record's leads, by how its sentence begins.
FLAGS = {"limb_leads_contradict": CONTRADICTED, "lead_reversal": LEAD_REVERSAL,
         "spikes": SPIKES_CUT}  # fmt: skip
OLDEST = 80  # years: from here on ages are one decade, for few live so long
REQUEST: ContextVar[str] = ContextVar("request", default="")  # of the call that is answered


@dataclass(frozen=True)
class Origin:
    """Who answers.

    Attributes:
        model: name and version, or a folder's name.
        digest: of the bundle.
        role, source: as of `Answered`.
    """

    model: str
    digest: str
    role: str
    source: str


def origin_of(versions: Mapping[str, str]) -> Origin:
    """Of a call's ``model`` and ``model_digest``."""
    return Origin(_short(versions["model"]), versions["model_digest"][:16], ANSWER, PREDICT)


def _short(model: str) -> str:
    """A registered version's name as it stands in tags; of a folder its own name alone."""
    name = model.removesuffix(f" ({SYNTHETIC})")
    if looks_registered(name):
        return name.removeprefix("models:/")
    return user_path(name).absolute().name


@contextmanager
def within(request: str) -> Iterator[None]:
    """All that is logged meanwhile is of that request."""
    before = REQUEST.set(request)
    try:
        yield
    finally:
        REQUEST.reset(before)


def log_answers(
    log: Log,
    origin: Origin,
    recorded: Recorded,
    findings: Sequence[Mapping[str, Any]],
    features: NDArray[np.floating[Any]] | None,
    names: Sequence[str] = (),
) -> None:
    """Logs what was said of some records.

    Args:
        log: that keeps it.
        origin: who said it.
        recorded: the records.
        findings: of `findings_of`, one a record.
        features: raw, (n_windows, n_features); ``None`` where none were measured.
        names: that the caller has for the records; none: their own.
    """
    told = names or [each.name for each in recorded.recordings]
    hashes = [log.place.hashed(name) for name in told]
    log.add(kept_of(origin, recorded, findings, features, hashes))


def kept_of(
    origin: Origin,
    recorded: Recorded,
    findings: Sequence[Mapping[str, Any]],
    features: NDArray[np.floating[Any]] | None,
    hashes: Sequence[str | None],
) -> list[Answered]:
    """What is kept of answers; arguments as of `log_answers`, and the records' hashed names."""
    called, time = REQUEST.get() or uuid.uuid4().hex, now()
    return [
        Answered(
            id=uuid.uuid4().hex,
            time=time,
            model=origin.model,
            digest=origin.digest,
            role=origin.role,
            source=origin.source,
            request=called,
            position=k,
            record=hashes[k],
            probabilities=said["probabilities"],
            labels=said["labels"],
            uncertain=said["uncertain"],
            measured=_measured(said["measurements"], answer, features),
            quality=said["quality"],
            reasons=said["quality_reasons"],
            flags=flags_of(said["notes"]),
            novelty=said["novelty"],
            decade=decade_of(recorded.age[k]),
        )
        for k, (said, answer) in enumerate(zip(findings, recorded.answers, strict=True))
    ]


def _measured(
    printed: Mapping[str, Any], answer: Answer, features: NDArray[np.floating[Any]] | None
) -> dict[str, float | None]:
    found = {name: value for name, value in printed.items() if name != TWICE}
    found["qrs_mv"] = _known(answer.quality.qrs_mv)
    if features is not None:
        row = features[answer.shown]
        found |= {name: _known(row[k]) for name, k in zip(KEPT, _COLUMNS, strict=True)}
    return found


def _known(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


def flags_of(notes: Sequence[str]) -> list[str]:
    """Of some notes those that are counted, by their short names."""
    return [
        name for name, begins in FLAGS.items() if any(note.startswith(begins) for note in notes)
    ]


def decade_of(age: float) -> int | None:
    """
    >>> decade_of(67.5), decade_of(93), decade_of(float("nan"))
    (60, 80, None)
    """
    return None if not age >= 0 else min(int(age // 10) * 10, OLDEST)


def log_call(
    bundle: AnyBundle,
    model: str,
    recorded: Recorded,
    findings: Sequence[Mapping[str, Any]],
    features: NDArray[np.floating[Any]] | None,
) -> None:
    """Logs a call on a command line, where the environment names a place for it.

    Args:
        bundle: that answered.
        model: its folder, or its address in the registry.
        recorded, findings, features: as of `log_answers`.
    """
    log = find_log(background=False)
    if log is None:
        return
    with folder_of(bundle, model) as folder:
        digest = folder_digest(folder)[:16]
    origin = origin_of({"model": model, "model_digest": digest})
    log_answers(log, origin, recorded, findings, features)
    log.close()


def collect_waiting() -> None:
    """Moves what other processes of this call logged into the table; says where it can't."""
    log = find_log(background=False)
    if log is not None:
        log.close()


@contextmanager
def folder_of(bundle: AnyBundle, model: str) -> Iterator[Path]:
    """Where a model's files are; one of the registry is written for that."""
    there = user_path(model)
    if there.is_dir():
        yield there
        return
    with tempfile.TemporaryDirectory() as folder:
        bundle.save(Path(folder) / "bundle")
        yield Path(folder) / "bundle"
