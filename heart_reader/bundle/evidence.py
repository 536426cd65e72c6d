"""What a bundle takes along to be judged by where no PTB-XL is.

evidence.safetensors    what it said about fold 9, with that fold's labels and patients, and what
                        it said about a few synthetic ECGs, with those; no signal of PTB-XL
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from heart_reader.bundle.kinds import AnyBundle
from heart_reader.data.dataset import Records
from heart_reader.data.demo.patients import draw_patients
from heart_reader.data.demo.tree import synthesize
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.model_input import to_model_input
from heart_reader.data.recordings.recording import Recording
from heart_reader.data.spec import PTBXL_SIGNAL, SignalSpec
from heart_reader.errors import ModelError
from heart_reader.evaluation.scored import Scored
from heart_reader.tasks.task import default_task

FILE = "evidence.safetensors"
N_PROBES, PROBE_SEED = 4, 1901  # the year of Einthoven's string galvanometer
MICROVOLTS = 1000.0  # in a mV


@dataclass(frozen=True)
class Evidence:
    """What a bundle said.

    Attributes:
        digest: of the records of folds 1 to 9.
        ecg_id, patient_id: of fold 9, int32 (n_records,).
        y_true: uint8 (n_records, n_classes).
        y_score: float32 (n_records, n_classes), what the bundle says.
        y_judged: the same, or where weights were fitted on fold 9 the cross-fitted scores that it
            may be judged by.
        probes: synthetic ECGs, int16 µV (n_probes, n_times, n_leads).
        probe_score: float32 (n_probes, n_classes), from measured features without age and sex.
        classes: of the columns.
    """

    digest: str
    ecg_id: NDArray[np.int32]
    patient_id: NDArray[np.int32]
    y_true: NDArray[np.uint8]
    y_score: NDArray[np.float32]
    y_judged: NDArray[np.float32]
    probes: NDArray[np.int16]
    probe_score: NDArray[np.float32]
    classes: tuple[str, ...]

    def probe_signals(self) -> NDArray[np.float32]:
        """The synthetic ECGs in mV, (n_probes, n_leads, n_times)."""
        return np.ascontiguousarray(self.probes.transpose(0, 2, 1) / np.float32(MICROVOLTS))

    def scored(self, y_score: NDArray[np.float32], thresholds: NDArray[np.float64]) -> Scored:
        """One of its scores as what is evaluated; its rows are those of no records."""
        rows = np.arange(len(self.ecg_id))
        ecg_id = self.ecg_id.astype(np.int64)
        return Scored(rows, ecg_id, self.y_true, y_score, thresholds, self.classes)


def gather(
    bundle: AnyBundle,
    digest: str,
    patient_id: NDArray[np.int64],
    own: Scored,
    y_judged: NDArray[np.float32],
) -> Evidence:
    """What a bundle said about fold 9, and says now about synthetic ECGs.

    Args:
        bundle: that is to travel.
        digest: of the records.
        patient_id: of the scored records.
        own: what it said.
        y_judged: what it may be judged by; ``own.y_score`` where nothing was fitted on fold 9.
    """
    probes = synthetic_probes(bundle.spec)
    evidence = Evidence(
        digest,
        own.ecg_id.astype(np.int32),
        patient_id.astype(np.int32),
        own.y_true.astype(np.uint8),
        own.y_score.astype(np.float32),
        y_judged.astype(np.float32),
        probes,
        np.empty((N_PROBES, bundle.task.n_classes), np.float32),
        bundle.task.classes,
    )
    evidence.probe_score[:] = bundle.predict(evidence.probe_signals())
    return evidence


def synthetic_probes(spec: SignalSpec) -> NDArray[np.int16]:
    """The same ECGs each time, as a model of this spec reads them, (n, n_times, n_leads), µV."""
    rng = np.random.default_rng(PROBE_SEED)
    made, _ = synthesize(draw_patients(N_PROBES, rng), np.arange(N_PROBES), rng)
    return (made if spec == PTBXL_SIGNAL else _as_read(made, spec)).astype(np.int16)


def _as_read(probes: NDArray[np.int16], spec: SignalSpec) -> NDArray[np.int16]:
    """Synthetic ECGs of PTB-XL's shape as a model of another spec reads them, µV."""
    mv = probes.transpose(0, 2, 1) / MICROVOLTS  # (n_probes, 12, 1000)
    fs, seconds = PTBXL_SIGNAL.fs, PTBXL_SIGNAL.seconds
    read = [
        to_model_input(
            Recording(
                "probe", "synthetic", LEADS, signal, fs, seconds, (), None, np.nan, np.nan, ()
            ),
            spec,
        ).signal
        for signal in mv
    ]
    steps = np.rint(np.stack(read).transpose(0, 2, 1) * MICROVOLTS)
    return np.asarray(steps, np.int16)


def patients_of(records: Records, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Who some records are of, (n_rows,)."""
    return records.metadata["patient_id"].to_numpy()[rows]


_ARRAYS = ("ecg_id", "patient_id", "y_true", "y_score", "y_judged", "probes", "probe_score")


def save_evidence(evidence: Evidence, folder: Path) -> Path:
    """Writes the file into a bundle's folder."""
    arrays = {name: np.ascontiguousarray(getattr(evidence, name)) for name in _ARRAYS}
    header = {"data_digest": evidence.digest, "classes": json.dumps(evidence.classes)}
    save_file(arrays, folder / FILE, metadata=header)
    return folder / FILE


def load_evidence(folder: Path) -> Evidence | None:
    """The evidence in a bundle's folder, or ``None`` where it has none.

    Raises:
        ModelError: the file can't be read, or its arrays don't fit each other.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
            header = file.metadata()
            digest, classes = header["data_digest"], _classes(header)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"evidence {path} can't be read: {error!r}") from error
    n_records, n_classes = len(arrays["ecg_id"]), len(classes)
    expected: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("y_true", "y_score", "y_judged"), (n_records, n_classes)
    )
    expected |= {"patient_id": (n_records,), "probe_score": (len(arrays["probes"]), n_classes)}
    wrong = [name for name, shape in expected.items() if arrays[name].shape != shape]
    if wrong:
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in wrong)
        raise ModelError(f"evidence {path} has {n_records} records, but {shapes}")
    return Evidence(digest, **arrays, classes=classes)


def _classes(header: Mapping[str, str]) -> tuple[str, ...]:
    """Before there were several tasks, none was named."""
    if "classes" not in header:
        return default_task().classes
    return tuple(map(str, json.loads(header["classes"])))
