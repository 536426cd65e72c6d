"""A manifest is read as a tree of PTB-XL is: labels, folds, signals, digests.

Covers: heart_reader.data.signals.own, heart_reader.data.signals.store.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import wfdb
from scipy.signal import resample_poly

from heart_reader.config.load import load_config
from heart_reader.data.dataset import load_development, to_device
from heart_reader.data.labelled import task_name
from heart_reader.data.ptbxl import LEADS, SUPERCLASSES, load_metadata
from heart_reader.data.spec import SignalConfig
from heart_reader.errors import ConfigError, DataError
from heart_reader.tasks.ptbxl import read_statements, statement_labels
from heart_reader.tasks.task import UNKNOWN, default_task

Options = dict[str, object]


def load(cache: Path, **options: object):
    config = load_config("default", {key.replace("__", "."): v for key, v in options.items()})
    return load_development(config.data, config.task, config.features, cache, config.signal)


def as_manifest(root: Path, to: Path) -> Path:
    """The records of a tree with its superclasses in columns."""
    metadata = load_metadata(root)
    labels = statement_labels(metadata, read_statements(root), default_task(), 0)
    frame = pd.DataFrame(
        {
            "file": [str(root / name) for name in metadata["filename_lr"]],
            "record_id": metadata.index,
            "patient_id": metadata["patient_id"].to_numpy(),
            "fold": metadata["strat_fold"].to_numpy(),
            "age": metadata["age"].to_numpy(),
            "sex": metadata["sex"].to_numpy(),
        }
    )
    frame[list(SUPERCLASSES)] = labels
    frame.to_csv(to, index=False)
    return to


@pytest.fixture(scope="module")
def manifest(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_manifest(demo_root, tmp_path_factory.mktemp("own") / "records.csv")


def test_a_manifest_of_a_tree_is_that_tree(demo_root, manifest, cache):
    theirs = load(cache, data=str(demo_root), features="none")
    ours = load(cache, data=str(manifest), features="none", task="superdiagnostic")
    assert ours.digest == theirs.digest and ours.pack.digest == theirs.pack.digest
    np.testing.assert_array_equal(ours.pack.signals, theirs.pack.signals)
    np.testing.assert_array_equal(ours.y_true, theirs.y_true)
    assert ours.task == theirs.task and ours.spec == theirs.spec
    for column in ("patient_id", "strat_fold", "age", "sex"):
        np.testing.assert_array_equal(ours.metadata[column], theirs.metadata[column])


def test_unknown_labels_stay_unknown_up_to_the_device(manifest, cache, tmp_path):
    frame = pd.read_csv(manifest, dtype=str)
    frame.loc[::3, "MI"] = ""
    frame.loc[5, list(SUPERCLASSES)] = ""  # nothing is known of it
    path = tmp_path / "some.csv"
    frame.to_csv(path, index=False)
    records = load(cache, data=str(path), features="none")
    assert records.task.name == "some" and records.task.classes == SUPERCLASSES
    assert int(frame["record_id"][5]) not in records.ecg_id
    asked = frame.set_index(frame["record_id"].astype(int)).loc[records.ecg_id]
    unknown = (asked["MI"] == "").to_numpy()
    assert (records.y_true[:, 1] == UNKNOWN).tolist() == unknown.tolist() and unknown.any()
    device = to_device(records, np.arange(len(records.y_true)), None, torch.device("cpu"))
    assert torch.isnan(device.y_true[:, 1]).tolist() == unknown.tolist()
    assert not device.all_known


def test_a_task_file_gives_classes_by_code_to_manifests_and_trees(demo_root, manifest, cache):
    text = "name: beats\nclasses:\n  infarct: {codes: [MI, IMI, AMI]}\n  fine: {codes: [NORM]}\n"
    task = manifest.with_name("beats.yaml")
    task.write_text(text)
    frame = pd.read_csv(manifest, dtype=str)
    frame["labels"] = frame[list(SUPERCLASSES)].apply(
        lambda row: ";".join(name for name in SUPERCLASSES if row[name] == "1"), axis=1
    )
    path = manifest.with_name("codes.csv")
    frame.drop(columns=list(SUPERCLASSES)).to_csv(path, index=False)
    ours = load(cache, data=str(path), features="none", task=str(task))
    assert ours.task.classes == ("infarct", "fine") and ours.task.name == "beats"
    kept = frame.set_index(frame["record_id"].astype(int)).loc[ours.ecg_id]
    np.testing.assert_array_equal(ours.y_true[:, 0], kept["MI"].astype(int))
    assert len(ours.y_true) == (frame["fold"].astype(int) < 10).sum()  # a record without is none
    theirs = load(cache, data=str(demo_root), features="none", task=str(task))
    metadata = load_metadata(demo_root).loc[theirs.ecg_id]
    expected = metadata["scp_codes"].map(lambda codes: bool({"IMI", "AMI"} & set(codes)))
    np.testing.assert_array_equal(theirs.y_true[:, 0], expected)


def test_the_task_beside_a_manifest_is_taken_where_none_is_named(manifest, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(manifest.read_text())
    assert load_config("default", {"data": str(path)}).task.name == "labels"
    (tmp_path / "task.yaml").write_text("name: hearts\nclasses: {MI: }\n")
    config = load_config("default", {"data": str(path)})
    assert config.task.name == str(tmp_path / "task.yaml")
    assert task_name(config.data.root, config.task) == "hearts"
    named = load_config("default", {"data": str(path), "task": "superdiagnostic"})
    assert named.task.name == "superdiagnostic"


REFUSED: dict[str, tuple[Options, str]] = {
    "PTB-XL's statements": ({"task": "form"}, "task 'form' is one of PTB-XL's statements"),
    "no such task": ({"task": "rythm"}, "unknown task 'rythm', did you mean 'rhythm'?"),
    "no such file": ({"task": "none.yaml"}, "none.yaml can't be read"),
    "no such lead": ({"signal.leads": "I,V7"}, "signal.leads must be of the twelve, but 'V7'"),
    "a lead twice": ({"signal.leads": "I,V1-V3,V2"}, "V2 is there twice"),
    "a rate": ({"signal.fs": "10"}, "signal.fs must lie from 50 to 1000 Hz, but is 10"),
    "a length": ({"signal.seconds": "0"}, "signal.seconds must lie from 1 to 600, but is 0"),
    "half a sample": ({"signal.seconds": "2.0051"}, "must be whole samples at 100 Hz"),
    "short": ({"signal.short": "padd"}, "'signal.short' must be one of 'repeat', 'pad', 'refuse'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_task_or_spec_is_one_clear_line(name, manifest, cache):
    options, says = REFUSED[name]
    with pytest.raises((ConfigError, DataError)) as error:
        load(cache, data=str(manifest), **options)
    assert says in str(error.value) and len(str(error.value).splitlines()) == 1


# ---------------------------------------------------------------- signals


def write_record(folder: Path, name: str, signal: np.ndarray, fs: int, leads=LEADS) -> None:
    """(n_times, n_leads) mV, by wfdb itself."""
    n_leads = signal.shape[1]
    wfdb.wrsamp(
        name, fs=fs, units=["mV"] * n_leads, sig_name=list(leads), p_signal=signal,
        fmt=["16"] * n_leads, adc_gain=[2000.0] * n_leads, baseline=[0] * n_leads,
        write_dir=str(folder),
    )  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Twelve records at 500 Hz: 10 s each, but 25 s in fold 1 and 4 s in fold 2."""
    rng, rows = np.random.default_rng(0), []
    for fold in (*range(1, 10), 9, 1, 2):
        name, seconds = f"r{len(rows)}", {10: 25, 11: 4}.get(len(rows), 10)
        wave = np.cumsum(rng.normal(0, 0.02, (500 * seconds, 12)), axis=0)
        write_record(tmp_path, name, wave - wave.mean(axis=0), 500)
        rows.append(f"{name},{name},{fold},{len(rows) % 2}")
    path = tmp_path / "records.csv"
    path.write_text("\n".join(["file,record_id,fold,AF", *rows]) + "\n")
    return path


def millivolts(own: Path, name: str) -> np.ndarray:
    """(n_leads, n_times) as wfdb reads it."""
    return wfdb.rdsamp(str(own.with_name(name)))[0].T


def test_records_are_resampled_and_long_ones_cut(own: Path, cache: Path):
    records = load(cache, data=str(own), features="none")
    assert records.spec.shape == (12, 1000)
    by_record = records.metadata["record_id"].tolist()
    assert by_record.count("r10") == 3 and by_record.count("r11") == 1
    expected = resample_poly(millivolts(own, "r0"), 1, 5, axis=1, padtype="line")
    at = np.array([by_record.index("r0")])
    np.testing.assert_allclose(records.millivolts(at)[0], expected, atol=6e-4)
    # The windows of a long record share its patient, fold and label.
    both = records.metadata[records.metadata["record_id"] == "r10"]
    assert both["patient_id"].nunique() == 1 and set(both["strat_fold"]) == {1}
    second = records.millivolts(np.array([by_record.index("r10") + 1]))[0]
    whole = resample_poly(millivolts(own, "r10"), 1, 5, axis=1, padtype="line")
    np.testing.assert_allclose(second[:, 50:-50], whole[:, 1050:1950], atol=6e-4)
    # What is shorter is repeated, as in prediction.
    short = records.millivolts(np.array([by_record.index("r11")]))[0]
    np.testing.assert_array_equal(short[:, :400], short[:, 400:800])


def test_short_records_may_be_refused(own: Path, cache: Path):
    says = "records.csv: row 13, column 'file': record .*r11 must last 10 s .* but lasts 4.00 s"
    with pytest.raises(DataError, match=says):
        load(cache, data=str(own), features="none", signal__short="refuse")
    records = load(
        cache, data=str(own), features="none", signal__short="refuse", data__on_defect="skip"
    )
    assert "r11" not in records.metadata["record_id"].tolist() and len(records.pack.defects) == 1


def test_a_pack_of_any_spec(own: Path, cache: Path):
    options = {"signal.leads": "I,II,V1-V3", "signal.fs": "500", "signal.seconds": "5"}
    records = load(cache, data=str(own), **options)
    assert records.spec.leads == ("I", "II", "V1", "V2", "V3")
    assert records.pack.signals.shape[1:] == (2500, 5)
    by_record = records.metadata["record_id"].tolist()
    assert by_record.count("r0") == 2 and by_record.count("r10") == 5
    at = np.array([by_record.index("r0") + 1])
    expected = millivolts(own, "r0")[[0, 1, 6, 7, 8], 2500:]
    np.testing.assert_allclose(records.millivolts(at)[0], expected, atol=6e-4)
    # What other leads would measure is missing; age and sex, unknown here, too.
    names = np.array(records.features.names)
    measured = np.isfinite(records.features.values).any(axis=0)
    assert not any(name.endswith(("_V5", "_aVF", "age")) for name in names[measured])
    assert records.digest != load(cache, data=str(own), features="none").digest


def test_the_demo_at_another_spec_keeps_its_labels(demo_root: Path, cache: Path):
    plain = load(cache, data=str(demo_root), features="none")
    some = {"signal.leads": "II,V5", "signal.seconds": "10"}
    leads = load(cache, data=str(demo_root), features="none", **some)
    np.testing.assert_array_equal(leads.y_true, plain.y_true)
    np.testing.assert_array_equal(leads.pack.signals, plain.pack.signals[:, :, [1, 10]])


def test_a_spec_is_what_is_asked_for():
    config = SignalConfig("8", 250, 2.5, "repeat")
    assert config.spec.leads == ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    assert (config.spec.fs, config.spec.n_times) == (250, 625)
    assert replace(config, leads="avf, v1 - v2").spec.leads == ("aVF", "V1", "V2")
