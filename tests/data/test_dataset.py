"""Records of some folds: what is dropped, what the digest sees, and that no fold leaks."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import wfdb

from heart_reader.config.load import load_config
from heart_reader.data.dataset import (
    DataConfig,
    FeaturesConfig,
    Records,
    load_development,
    load_test,
    to_device,
)
from heart_reader.data.ptbxl import METADATA_FILE, SUPERCLASSES, TRAIN_FOLDS
from heart_reader.errors import DataError
from heart_reader.fitting import prepare
from heart_reader.tasks.ptbxl import TaskConfig
from tests.data.trees import edit_metadata, rewrite_record

CPU = torch.device("cpu")
# Digest of 200 demo records, seed 0.
BEFORE_TASKS = "3eccc5947421d22ddede9da949da9bceeabe4c0f4376e0d6d43361968e0d62d6"


def config_of(root: Path, **changes: object) -> DataConfig:
    return replace(load_config("default", {}).data, root=str(root), **changes)


DEFAULT = TaskConfig("superdiagnostic", "drop")


def load(
    root: Path,
    cache: Path,
    features: str = "none",
    task: TaskConfig = DEFAULT,
    **changes: object,
) -> Records:
    return load_development(config_of(root, **changes), task, FeaturesConfig(features), cache)


@pytest.fixture
def tree(demo_root: Path, tmp_path: Path) -> Path:
    """A copy of the demo that a test may change; times stay, as a pack goes by them."""
    return shutil.copytree(demo_root, tmp_path / "tree")


def in_fold(root: Path, fold: int) -> pd.DataFrame:
    frame = pd.read_csv(root / METADATA_FILE)
    return frame[frame["strat_fold"] == fold]


def test_development_is_folds_1_to_9_with_a_superclass(demo_root, cache):
    frame = pd.read_csv(demo_root / METADATA_FILE).set_index("ecg_id")
    classes = pd.read_csv(demo_root / "scp_statements.csv", index_col=0)
    diagnostic = set(classes.index[classes["diagnostic"] == 1])
    expected = [
        ecg_id
        for ecg_id, row in frame[frame["strat_fold"] <= 9].iterrows()
        if any(f"'{code}':" in row["scp_codes"] for code in diagnostic)
    ]
    records = load(demo_root, cache)
    assert sorted(records.ecg_id) == sorted(expected)
    assert len(expected) < (frame["strat_fold"] <= 9).sum()  # the demo has some to drop
    assert records.y_true.shape == (len(expected), len(SUPERCLASSES))
    assert records.y_true.any(axis=1).all()


def test_rows_signals_and_features_belong_together(demo_root, cache):
    records = load(demo_root, cache, "compute")
    for row in records.rows((3,))[:3]:
        ecg_id = records.ecg_id[row]
        line = records.metadata.loc[ecg_id]
        signal, _ = wfdb.rdsamp(str(demo_root / line["filename_lr"]))
        np.testing.assert_array_equal(records.millivolts(np.array([row]))[0], signal.T)
        assert line["strat_fold"] == 3
        age = records.features.values[row, records.features.names.index("age")]
        assert age == min(line["age"], 90)


def test_the_first_records_of_each_fold(demo_root, cache):
    records = load(demo_root, cache, records_per_fold=3)
    for fold in range(1, 10):
        first = in_fold(demo_root, fold)["ecg_id"].sort_values()[:3]
        assert set(records.ecg_id[records.rows((fold,))]) <= set(first)


# ---------------------------------------------------------------- tasks


def test_another_task_drops_other_records_and_shares_the_pack(demo_root, cache):
    """Held against the text of the codes in the file."""
    rhythm = load(demo_root, cache, task=TaskConfig("rhythm", "drop"))
    frame = pd.read_csv(demo_root / METADATA_FILE).set_index("ecg_id")
    codes = frame.loc[frame["strat_fold"] <= 9, "scp_codes"]
    assert set(rhythm.task.classes) == {"SR", "SBRAD", "STACH", "SARRH", "AFIB"}
    for k, name in enumerate(rhythm.task.classes):
        expected = codes.index[codes.str.contains(f"'{name}':", regex=False)]
        assert set(rhythm.ecg_id[rhythm.y_true[:, k] == 1]) == set(expected)
    assert rhythm.pack.digest == load(demo_root, cache).pack.digest


def test_unlabelled_records_are_kept_as_negative_for_all(demo_root, cache):
    dropped = load(demo_root, cache, task=TaskConfig("form", "drop"))
    kept = load(demo_root, cache, task=TaskConfig("form", "keep"))
    frame = pd.read_csv(demo_root / METADATA_FILE)
    assert len(kept.ecg_id) == (frame["strat_fold"] <= 9).sum() > len(dropped.ecg_id)
    assert kept.y_true.sum() == dropped.y_true.sum()
    assert not kept.y_true[~np.isin(kept.ecg_id, dropped.ecg_id)].any()


# ---------------------------------------------------------------- the digest


def test_the_digest_is_that_of_the_time_before_there_were_tasks(demo_root, cache):
    assert load(demo_root, cache).digest == BEFORE_TASKS
    tasks = [TaskConfig(name, "drop") for name in ("subdiagnostic", "form", "rhythm", "all")]
    digests = {load(demo_root, cache, task=task).digest for task in (DEFAULT, *tasks)}
    assert len(digests) == 5


def test_the_digest_stays_when_only_the_place_changes(demo_root, tree, cache, tmp_path):
    assert load(demo_root, cache).digest == load(tree, tmp_path / "other").digest


def test_a_label_a_fold_and_a_sample_change_the_digest(tree, cache):
    seen = {load(tree, cache).digest}
    ecg_id, name = in_fold(tree, 2).iloc[0][["ecg_id", "filename_lr"]]
    changed = "{'LVH': 100.0, 'AMI': 100.0, 'NORM': 100.0}"
    edit_metadata(tree, ecg_id, "scp_codes", changed)
    seen.add(load(tree, cache).digest)
    digital = wfdb.rdrecord(str(tree / name), physical=False).d_signal
    digital[500, 4] += 1
    rewrite_record(tree, name, digital)
    seen.add(load(tree, cache).digest)
    assert len(seen) == 3


# ---------------------------------------------------------------- no fold leaks


def spoil(root: Path, fold: int) -> None:
    """Other ECGs and other ages in one fold."""
    for _, row in in_fold(root, fold).iterrows():
        digital = wfdb.rdrecord(str(root / row["filename_lr"]), physical=False).d_signal
        rewrite_record(root, row["filename_lr"], 3 * digital[::-1] + 100)
        edit_metadata(root, row["ecg_id"], "age", "18")


def test_folds_9_and_10_change_no_fitted_statistic(demo_root, tree, cache):
    before = prepare(load(demo_root, cache, "compute"))
    for fold in (9, 10):
        spoil(tree, fold)
    after = prepare(load(tree, cache, "compute"))
    assert after.records.digest != before.records.digest
    assert after.normaliser == before.normaliser
    for name in ("low", "high", "median", "scale"):
        np.testing.assert_array_equal(getattr(after.encoder, name), getattr(before.encoder, name))
    assert after.encoder.folds == after.normaliser.folds == TRAIN_FOLDS
    spoil(tree, 8)  # so the comparison above can fail
    assert prepare(load(tree, cache)).normaliser != before.normaliser


def test_development_never_needs_the_files_of_fold_10(demo_root, tree, cache):
    for name in in_fold(tree, 10)["filename_lr"]:
        (tree / f"{name}.dat").unlink()
        (tree / f"{name}.hea").unlink()
    assert load(tree, cache).digest == load(demo_root, cache).digest
    with pytest.raises(DataError, match="fold 10 isn't in the tree"):
        load_test(config_of(tree), DEFAULT, FeaturesConfig("none"), cache)


def test_the_test_set_is_fold_10_alone(demo_root, cache):
    records = load_test(config_of(demo_root), DEFAULT, FeaturesConfig("none"), cache)
    assert set(records.metadata["strat_fold"]) == {10}
    assert set(records.ecg_id) <= set(in_fold(demo_root, 10)["ecg_id"])


# ---------------------------------------------------------------- on the device


def assert_equals_wfdb(root: Path, records: Records) -> None:
    rows = records.rows((1, 9))[:12]
    on_device = to_device(records, rows, None, CPU)
    mine = on_device.millivolts(torch.arange(len(rows)))
    for k, row in enumerate(rows):
        name = records.metadata.iloc[row]["filename_lr"]
        expected = wfdb.rdsamp(str(root / name))[0].T.astype(np.float32)
        np.testing.assert_allclose(mine[k].numpy(), expected, rtol=2e-7, atol=0)
    np.testing.assert_array_equal(on_device.y_true.numpy(), records.y_true[rows])


def test_millivolts_equal_wfdb_on_the_demo(demo_root, cache):
    assert_equals_wfdb(demo_root, load(demo_root, cache))


def test_millivolts_equal_wfdb_with_another_gain_and_baseline(tree, cache):
    name = in_fold(tree, 1).sort_values("ecg_id").iloc[0]["filename_lr"]
    digital = wfdb.rdrecord(str(tree / name), physical=False).d_signal
    rewrite_record(tree, name, digital, adc_gain=[200.0, *[500.0] * 11], baseline=[7] * 12)
    assert_equals_wfdb(tree, load(tree, cache))


@pytest.mark.real
def test_millivolts_equal_wfdb_on_real_records(real_ptbxl, cache):
    assert_equals_wfdb(real_ptbxl, load(real_ptbxl, cache))


def test_a_batch_is_channels_last_without_a_copy(demo_root, cache):
    records = load(demo_root, cache)
    on_device = to_device(records, records.rows((1,)), None, CPU)
    batch = on_device.millivolts(torch.arange(4))
    assert batch.shape == (4, 12, 1000)
    image = batch.unsqueeze(2)  # (4, 12, 1, 1000)
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert not image.is_contiguous()
    assert on_device.signals.dtype == torch.int16


def test_features_on_the_device_are_the_encoders(demo_root, cache):
    prepared = prepare(load(demo_root, cache, "compute"))
    records, rows = prepared.records, prepared.records.rows((9,))
    on_device = to_device(records, rows, prepared.encoder, CPU)
    encoded, present = prepared.encoder.encode(records.features.values[rows])
    np.testing.assert_array_equal(on_device.features.numpy(), encoded)
    np.testing.assert_array_equal(on_device.present.numpy(), present)
