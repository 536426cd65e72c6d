"""PTB-XL's records at 500 Hz, through `prepare` and a training.

Covers: heart_reader.data.dataset, heart_reader.prepare.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from scipy.signal import resample_poly

from benchmarks.own_records import write
from heart_reader import prepare as entry
from heart_reader.data.dataset import data_root, load_development
from heart_reader.fitting import make_trainer, prepare
from tests.training.tiny import tiny_config


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The demo's tree with its records resampled up to 500 Hz beside them."""
    root, demo = tmp_path_factory.mktemp("tree"), data_root(tiny_config().data, cache)
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        shutil.copy(demo / name, root)
    shutil.copytree(demo / "records100", root / "records100")
    for _, about in pd.read_csv(root / "ptbxl_database.csv").iterrows():
        path = root / about["filename_hr"]
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, wfdb.rdsamp(str(root / about["filename_lr"]))[0].T, 100, 500, [], about)
    return root


def test_prepare_packs_what_training_reads(tree, cache, capsys, monkeypatch):
    monkeypatch.setenv("HEART_READER_CACHE", str(cache))
    entry.main(["--data", str(tree), "--signal.fs", "500"])
    assert "200" in capsys.readouterr().out
    before = sorted((cache / "packs").iterdir())
    config = tiny_config(data=str(tree), signal__fs=500, features="none", training__epochs=1)
    records = load_development(config.data, config.task, config.features, cache, config.signal)
    assert sorted((cache / "packs").iterdir()) == before
    row = records.rows((9,))[:1]
    signal = wfdb.rdsamp(str(tree / records.metadata["filename_hr"].iloc[row[0]]))[0].T
    np.testing.assert_allclose(records.millivolts(row)[0], signal, atol=1e-9)
    trainer = make_trainer(prepare(records), config)
    assert trainer.train.signals.shape[1:] == (5000, 12)
    assert np.isfinite(trainer.run_epoch()["train/loss"])


def test_another_rate_comes_from_the_records_at_500_hz(tree, cache):
    config = tiny_config(data=str(tree), signal__fs=250, features="none")
    records = load_development(config.data, config.task, config.features, cache, config.signal)
    row = records.rows((9,))[:1]
    signal = wfdb.rdsamp(str(tree / records.metadata["filename_hr"].iloc[row[0]]))[0].T
    expected = resample_poly(signal, 1, 2, axis=1, padtype="line")
    np.testing.assert_allclose(records.millivolts(row)[0], expected, atol=5.1e-4)


def test_at_100_hz_the_tree_is_read_as_ever(tree, cache):
    config = tiny_config(data=str(tree), features="none")
    plain = tiny_config(features="none")
    found, demo = (
        load_development(each.data, each.task, each.features, cache, each.signal)
        for each in (config, plain)
    )
    assert found.digest == demo.digest
