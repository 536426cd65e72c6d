"""The synthetic PTB-XL: whose waves are drawn, and who its patients are.

Covers: heart_reader.data.demo.patients.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from scipy.signal import welch

from heart_reader.data import ptbxl
from heart_reader.data.demo import ecg as demo_ecg
from heart_reader.data.demo.ecg import Beats
from heart_reader.data.demo.findings import CHANGES, healthy_beats
from heart_reader.data.demo.tree import demo_tree, write_demo
from heart_reader.data.signals import pack as signals
from heart_reader.errors import ConfigError, DataError
from heart_reader.tasks.ptbxl import read_statements, statement_labels
from heart_reader.tasks.task import default_task


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_tree(tmp_path_factory.mktemp("demo"), 800, 0)


@pytest.fixture(scope="module")
def metadata(tree: Path) -> pd.DataFrame:
    return ptbxl.load_metadata(tree)


@pytest.fixture(scope="module")
def labels(tree: Path, metadata: pd.DataFrame) -> np.ndarray:
    statements = read_statements(tree)
    return statement_labels(metadata, statements, default_task(), 0)


@pytest.fixture(scope="module")
def digital(
    tree: Path, metadata: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> np.ndarray:
    return signals.load_pack(tree, metadata, tmp_path_factory.mktemp("c"), "error", False).signals


def tree_hash(root: Path) -> str:
    content = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        content.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return content.hexdigest()


def lead_peaks(beats: Beats, lead: int) -> np.ndarray:
    """One beat of each heart in one of the eight leads of Dower's matrix, (n, 80) in mV."""
    t = np.arange(-30, 50) / 100
    since = np.broadcast_to(t, (len(beats.time), len(t)))
    beat: np.ndarray = demo_ecg.DOWER[lead] @ demo_ecg.dipole_signal(beats, since, since - 100)
    return beat


def test_seed_decides_every_byte(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_demo(tmp_path / name, 60, seed)
    hashes = [tree_hash(tmp_path / name) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]


def test_tree_is_like_ptbxl(tree: Path, metadata: pd.DataFrame, labels: np.ndarray) -> None:
    assert len(metadata) == 800
    assert sorted(metadata["strat_fold"].unique()) == list(range(1, 11))
    ptbxl.check_patients_disjoint(metadata)
    folds = metadata["strat_fold"].to_numpy()
    for fold in range(1, 11):
        assert 70 <= (folds == fold).sum() <= 90
        assert labels[folds == fold].any(axis=0).all()
    assert metadata.groupby("patient_id")["strat_fold"].nunique().max() == 1
    assert metadata["patient_id"].duplicated().sum() > 50
    assert (labels.sum(axis=1) > 1).mean() > 0.15
    assert 0.01 < (labels.sum(axis=1) == 0).mean() < 0.06
    assert metadata["age"].isna().any()
    assert metadata["sex"].isna().any()
    # shares of 21,799 records: 9514, 5469, 5235, 4898, 2649
    np.testing.assert_allclose(labels.mean(axis=0), [0.44, 0.25, 0.24, 0.22, 0.12], atol=0.08)


@pytest.mark.real
def test_columns_are_those_of_the_real_files(tree: Path, real_ptbxl: Path) -> None:
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        ours, real = pd.read_csv(tree / name), pd.read_csv(real_ptbxl / name)
        assert list(ours.columns) == list(real.columns)
    theirs = pd.read_csv(real_ptbxl / "scp_statements.csv", index_col=0)["diagnostic_class"]
    own = pd.read_csv(tree / "scp_statements.csv", index_col=0)["diagnostic_class"]
    pd.testing.assert_series_equal(own, theirs[own.index])


def test_einthoven_and_goldberger(digital: np.ndarray) -> None:
    lead = {name: digital[..., i].astype(int) for i, name in enumerate(ptbxl.LEADS)}
    assert (lead["I"] + lead["III"] == lead["II"]).all()
    assert abs(lead["aVR"] + (lead["I"] + lead["II"]) / 2).max() <= 1  # uV
    assert abs(lead["aVL"] - (lead["I"] - lead["II"] / 2)).max() <= 1
    assert abs(lead["aVF"] - (lead["II"] - lead["I"] / 2)).max() <= 1


def test_wfdb_reads_the_records(tree: Path, metadata: pd.DataFrame, digital: np.ndarray) -> None:
    for row in (0, 400, 799):
        record = wfdb.rdrecord(str(tree / metadata["filename_lr"].iloc[row]), physical=False)
        assert (record.d_signal == digital[row]).all()
        assert record.calc_checksum() == [c & 0xFFFF for c in record.checksum]
        assert [name.lower() for name in record.sig_name] == [n.lower() for n in ptbxl.LEADS]


def test_amplitudes_are_human(digital: np.ndarray) -> None:
    millivolts = digital / 1000
    span = np.median(np.ptp(millivolts, axis=1), axis=0)  # (n_leads,)
    # PTB-XL's own medians over folds 1 to 9, in the order of LEADS
    real = [1.04, 1.05, 0.89, 0.95, 0.82, 0.82, 1.25, 1.97, 2.03, 2.12, 1.82, 1.39]
    np.testing.assert_allclose(span / real, 1, atol=0.4)
    assert abs(millivolts).max() < 10


def test_r_wave_grows_over_the_chest() -> None:
    beats = healthy_beats(300, np.random.default_rng(0))
    tallest = [np.median(lead_peaks(beats, lead).max(axis=1)) for lead in (2, 3, 4, 5)]
    deepest = [np.median(lead_peaks(beats, lead).min(axis=1)) for lead in (2, 3, 6, 7)]
    assert tallest == sorted(tallest)
    assert tallest[0] < -deepest[0]  # V1: rS
    assert -deepest[3] < -deepest[1]  # V6: hardly any S


def healthy_and(code: str, severity: float, lead: int) -> tuple[np.ndarray, np.ndarray]:
    healthy = healthy_beats(200, np.random.default_rng(1))
    changed = healthy.take(np.arange(200))
    CHANGES[code](changed, np.arange(200), np.full(200, severity))
    return lead_peaks(healthy, lead), lead_peaks(changed, lead)


R = 30  # the sample of the R peak in `lead_peaks`


@pytest.mark.parametrize(
    ("code", "lead", "samples", "change"),
    [
        ("IMI", 1, slice(R - 5, R - 1), -0.2),  # Q in II
        ("ASMI", 3, slice(R - 4, R), -0.2),  # no r in V2
        ("ASMI", 3, slice(R + 8, R + 14), 0.1),  # ST elevation in V2
        ("ISC_", 6, slice(R + 8, R + 14), -0.05),  # ST depression in V5
        ("ISCAL", 6, slice(R + 22, R + 30), -0.2),  # T inversion in V5
        ("CRBBB", 2, slice(R + 5, R + 7), 0.3),  # R' in V1
        ("CLBBB", 2, slice(R + 2, R + 6), -0.3),  # late S in V1
        ("CLBBB", 7, slice(R + 4, R + 6), 0.3),  # notched broad R in V6
        ("LAFB", 1, slice(R, R + 3), -0.5),  # left axis: S in II
        ("LVH", 6, slice(R, R + 1), 0.5),  # R in V5
        ("RVH", 2, slice(R, R + 1), 0.3),  # R in V1
        ("NDT", 5, slice(R + 22, R + 30), -0.1),  # flat T in V4
    ],
)
def test_findings_look_as_the_criteria_say(
    code: str, lead: int, samples: slice, change: float
) -> None:
    healthy, changed = healthy_and(code, 0.9, lead)
    found = np.median((changed - healthy)[:, samples].mean(axis=1))
    assert found * np.sign(change) >= abs(change)


def test_first_degree_block_lengthens_pr() -> None:
    healthy, changed = healthy_and("1AVB", 0.9, 1)
    before = slice(0, R - 5)
    shift = healthy[:, before].argmax(axis=1) - changed[:, before].argmax(axis=1)
    assert np.median(shift) >= 9  # samples of 10 ms


def test_bundle_branch_blocks_widen_the_qrs() -> None:
    for code in ("CLBBB", "CRBBB", "IVCD"):
        healthy, changed = healthy_and(code, 0.9, 7)  # V6
        window = slice(R - 8, R + 11)
        wide = [(abs(x[:, window]) > 0.15 * abs(x).max(1, keepdims=True)).sum(1) for x in
                (healthy, changed)]  # fmt: skip
        assert np.median(wide[1]) >= np.median(wide[0]) + 2


def test_rr_spectrum_has_the_published_two_peaks() -> None:
    n = 400
    rr = demo_ecg.rr_intervals(np.ones(n), np.full(n, 0.05), 256, np.random.default_rng(0))
    frequency, power = welch(rr, fs=1.0, nperseg=128)
    power = power.mean(axis=0)
    low, high = (frequency > 0.05) & (frequency < 0.16), (frequency > 0.18) & (frequency < 0.35)
    assert abs(frequency[low][power[low].argmax()] - 0.1) < 0.02
    assert abs(frequency[high][power[high].argmax()] - 0.25) < 0.03
    np.testing.assert_allclose(rr.std(axis=1), 0.05, rtol=0.02)


def test_beat_times_meet_at_the_r_peak() -> None:
    rr = np.array([[0.8, 1.0, 1.2, 0.9] * 5])
    since, until = demo_ecg.since_and_until_r(rr, np.array([0.25]))
    assert (since >= 0).all()
    assert (until <= 0).all()
    peaks = np.flatnonzero(np.diff(since[0]) < 0) + 1
    np.testing.assert_allclose(
        np.diff(peaks) / 100, np.tile(rr[0], 2)[1 : len(peaks)], atol=0.0101
    )


def test_refusals_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 40 records, but got n_records=39"):
        write_demo(tmp_path / "demo", 39, 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="can't write the demo data"):
        write_demo(tmp_path / "file" / "demo", 40, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
