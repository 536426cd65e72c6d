"""The demo: a synthetic tree in the layout of PTB-XL, written in seconds, the same for a seed."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from heart_reader.data.demo.ecg import (
    DOWER,
    Beats,
    Event,
    Floats,
    dipole_signal,
    electrode_noise,
    rr_intervals,
    since_and_until_r,
    to_leads,
)
from heart_reader.data.demo.findings import CHANGES, healthy_beats
from heart_reader.data.demo.patients import (
    Ints,
    Patients,
    draw_patients,
    metadata_table,
    read_codes,
    statements_table,
)
from heart_reader.data.ptbxl import METADATA_FILE, N_TIMES, SAMPLING_RATE, STATEMENTS_FILE
from heart_reader.errors import ConfigError, DataError

MIN_RECORDS = 40  # fewer can't fill ten folds with whole patients
_VERSION = 2  # another number makes cached demo trees anew
_BLOCK = 200
# how PTB-XL's headers name the leads
_HEADER_LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")


def demo_tree(cache: Path, n_records: int, seed: int) -> Path:
    """The demo tree in ``cache``, written on first use."""
    root = cache / "demo" / f"v{_VERSION}-{n_records}-{seed}"
    if not root.is_dir():
        write_demo(root, n_records, seed)
    return root


def write_demo(root: Path, n_records: int, seed: int) -> None:
    """Write a synthetic PTB-XL tree of ``n_records`` ECGs to ``root``, complete or not at all.

    The same arguments give the same bytes (on one machine: another CPU may round the last bit of
    an exponential otherwise). Where ``root`` is already there, it is left as it is.

    Raises:
        ConfigError: ``n_records`` is under `MIN_RECORDS`.
        DataError: ``root`` can't be written.
    """
    if n_records < MIN_RECORDS:
        raise ConfigError(f"the demo has at least {MIN_RECORDS} records, but got {n_records=}")
    if root.exists():
        return
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-demo-", dir=root.parent))
        try:
            _write_tree(temporary, n_records, np.random.default_rng(seed))
            temporary.chmod(0o755)
            _publish(temporary, root)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"can't write the demo data to {root} ({error}): free some space or set "
            f"HEART_READER_CACHE to a folder that you can write"
        ) from error


def _publish(temporary: Path, root: Path) -> None:
    try:
        os.rename(temporary, root)
    except OSError:
        if not (root / METADATA_FILE).is_file():  # else another process was quicker
            raise


def _write_tree(root: Path, n_records: int, rng: np.random.Generator) -> None:
    person = _draw_visits(n_records, rng)
    patients = draw_patients(int(person.max()) + 1, rng)
    signals, rhythms = synthesize(patients, person, rng)
    codes = [
        read_codes(patients, who, rhythm, rng)
        for who, rhythm in zip(person.tolist(), rhythms, strict=True)
    ]
    metadata = metadata_table(patients, person, codes, rng)
    metadata.to_csv(root / METADATA_FILE, index=False)
    statements_table().to_csv(root / STATEMENTS_FILE)
    _write_records(root, metadata, signals)


def _draw_visits(n_records: int, rng: np.random.Generator) -> Ints:
    """Who each record is of: PTB-XL has 1.16 records a person, nearly nine in ten have one."""
    visits = 1 + (rng.geometric(0.8, n_records) - 1) * (rng.random(n_records) < 0.6)
    person = np.repeat(np.arange(n_records), visits)[:n_records]
    return rng.permutation(person).astype(np.int64)


def synthesize(
    patients: Patients, person: Ints, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int16], list[str]]:
    """ECGs ``(n, n_times, 12)`` int16 in uV, and the rhythm code of each."""
    hearts, matrices = _bodies(patients, rng)
    blocks, rhythms = [], []
    for start in range(0, len(person), _BLOCK):
        who = person[start : start + _BLOCK]
        block, names = _record(hearts.take(who), matrices[who], patients, who, rng)
        blocks.append(block)
        rhythms += names
    return np.concatenate(blocks), rhythms


def _bodies(patients: Patients, rng: np.random.Generator) -> tuple[Beats, Floats]:
    n = len(patients.findings)
    hearts = healthy_beats(n, rng)
    for code, change in CHANGES.items():
        rows = np.array([i for i in range(n) if code in patients.findings[i]], dtype=np.int64)
        if len(rows):
            severity = np.array([patients.findings[i][code] for i in rows])
            change(hearts, rows, severity)
    fibrillates = np.flatnonzero(patients.fibrillates)
    hearts.dipole[fibrillates[:, None], [Event.P_RIGHT, Event.P_LEFT]] = 0
    size = rng.lognormal(0, 0.2, (n, 1, 1))  # chest wall and heart size
    matrices = DOWER * size * rng.lognormal(0, 0.1, (n, 8, 1))
    matrices = matrices + rng.normal(0, 0.06, (n, 8, 3))  # electrodes are never quite in place
    return hearts, matrices


def _record(
    hearts: Beats, matrices: Floats, patients: Patients, who: Ints, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int16], list[str]]:
    n = len(who)
    hearts.dipole *= rng.lognormal(0, 0.06, (n, len(Event), 1))  # no two visits are alike
    fibrillates = patients.fibrillates[who]
    rate = (patients.heart_rate[who] + rng.normal(0, 5, n) + 15 * fibrillates).clip(42, 150)
    mean = 60 / rate  # s
    spread = mean * np.where(fibrillates, 0.2, rng.lognormal(np.log(0.025), 0.7, n).clip(0, 0.12))
    for event in (Event.T_RISE, Event.T_FALL, Event.ST):  # Bazett: QT goes with the root of RR
        hearts.time[:, event] *= np.sqrt(mean)
        hearts.width[:, event] *= np.sqrt(mean)
    rr = rr_intervals(mean, spread, 40, rng)
    since, until = since_and_until_r(rr, rng.random(n))
    dipole = dipole_signal(hearts, since, until)
    dipole *= _breathing(n, rng)
    noise = electrode_noise(rng.lognormal(np.log(0.006), 0.7, n), rng.lognormal(-3.4, 0.8, n), rng)
    rhythms = [
        _rhythm(*row) for row in zip(rate, spread / mean, fibrillates.tolist(), strict=True)
    ]
    return to_leads(dipole, matrices, noise), rhythms


def _breathing(n: int, rng: np.random.Generator) -> Floats:
    """The factor by which breathing swells the beats, ``(n, 1, n_times)``."""
    t = np.arange(N_TIMES) / SAMPLING_RATE
    f = rng.uniform(0.18, 0.33, (n, 1, 1))
    depth = rng.uniform(0.01, 0.06, (n, 1, 1))
    factor: Floats = 1 + depth * np.sin(2 * np.pi * (f * t + rng.random((n, 1, 1))))
    return factor


def _rhythm(rate: float, variation: float, fibrillates: bool) -> str:
    if fibrillates:
        return "AFIB"
    if rate < 55:
        return "SBRAD"
    if rate > 100:
        return "STACH"
    return "SARRH" if variation > 0.08 else "SR"


def _write_records(root: Path, metadata: pd.DataFrame, signals: npt.NDArray[np.int16]) -> None:
    checksums = signals.sum(axis=1, dtype=np.int64) & 0xFFFF  # (n, 12)
    for name, samples, checksum in zip(
        metadata["filename_lr"], signals, checksums.tolist(), strict=True
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".dat").write_bytes(samples.astype("<i2").tobytes())
        lines = [f"{path.name} 12 {SAMPLING_RATE} {N_TIMES}"]
        lines += [
            f"{path.name}.dat 16 1000.0(0)/mV 16 0 {start} {total} 0 {lead}"
            for start, total, lead in zip(
                samples[0].tolist(), checksum, _HEADER_LEADS, strict=True
            )
        ]
        path.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="ascii")
