"""Short records padded and masked: what is pooled, trained and answered is the record's own.

Covers: heart_reader.models.blocks, heart_reader.data.normaliser, heart_reader.data.signals.own.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import wfdb

from heart_reader.bundle.scoring import score
from heart_reader.config.load import load_config
from heart_reader.data.dataset import data_root, load_development, to_device
from heart_reader.data.formats import read_recording
from heart_reader.data.normaliser import Normaliser
from heart_reader.data.recordings.windows import windows_of
from heart_reader.fitting import make_bundle, make_trainer, prepare
from heart_reader.models import BACKBONES, build_model
from heart_reader.models.blocks import ConcatPool
from heart_reader.project import REPOSITORY
from heart_reader.reading.explain import LogOdds
from registry.ground.again import arrays_of
from tests.training.tiny import tiny_config

SHORT = 600  # samples of every third record


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The demo's records, every third cut to 6 s."""
    folder = tmp_path_factory.mktemp("short")
    root = data_root(tiny_config().data, cache)
    frame = pd.read_csv(root / "ptbxl_database.csv", index_col="ecg_id")
    own = pd.DataFrame({"file": [str(root / each) for each in frame["filename_lr"]]})
    own["fold"], own["patient_id"] = frame["strat_fold"].to_numpy(), frame["patient_id"].to_numpy()
    for row in range(0, len(own), 3):
        record = wfdb.rdrecord(own["file"][row])
        wfdb.wrsamp(
            f"S{row}", record.fs, record.units, record.sig_name, record.p_signal[:SHORT],
            fmt=["16"] * 12, adc_gain=[1000] * 12, baseline=[0] * 12, write_dir=str(folder),
        )  # fmt: skip
        own.loc[row, "file"] = f"S{row}"
    for code in ("NORM", "AFIB", "SBRAD"):
        own[code] = frame["scp_codes"].str.contains(f"'{code}'").astype(int).to_numpy()
    own.to_csv(folder / "own.csv", index=False)
    return folder / "own.csv"


@pytest.fixture(scope="module")
def padded(manifest: Path, cache: Path):
    """Records of a manifest padded, and a bundle trained on them."""
    config = tiny_config(data=str(manifest), signal__short="pad", features="none")
    records = load_development(config.data, config.task, config.features, cache, config.signal)
    prepared = prepare(records)
    result = make_trainer(prepared, config).fit([])
    made_by = {"signal": {"short": "pad"}}
    return records, make_bundle(prepared, config, result, made_by)[0], config


@pytest.mark.parametrize("backbone", ["inception1d", "xresnet1d18", "se_resnet1d", "s4"])
@pytest.mark.parametrize("length", [250, 251, 600, 613, 999, 1000])
def test_what_is_pooled_is_as_long_as_the_record_alone_would_be(backbone, length):
    assert backbone in BACKBONES
    config = load_config("default", {"backbone": backbone})
    model = build_model(config.model.architecture, 0, 2, 12).eval()
    asked = []
    model.pool.register_forward_hook(lambda _, args, __: asked.append(args[1:]))
    with torch.no_grad():
        model(torch.zeros(1, 12, 1000), lengths=torch.tensor([length]))
        alone = model.backbone(torch.zeros(1, 12, 1, length)).shape[-1]
    ((steps,),) = asked
    assert steps.tolist() == [alone]


def test_pooling_is_numpys_over_the_steps_that_count():
    x = torch.randn(3, 4, 1, 9, generator=torch.Generator().manual_seed(0))
    found = ConcatPool()(x, torch.tensor([9, 1, 5])).numpy()
    for row, n in enumerate((9, 1, 5)):
        own = x[row, :, 0, :n].numpy()
        np.testing.assert_allclose(found[row], [*own.mean(1), *own.max(1)], rtol=1e-6, atol=1e-7)


def test_normalising_is_numpys_over_the_samples_that_count():
    x = np.random.default_rng(0).normal(3, 1, (2, 2, 50)).astype(np.float32)
    normaliser = Normaliser((0.0, 0.1), (2.0, 0.5), (1,))
    found = normaliser(torch.from_numpy(x), torch.tensor([20, 50])).numpy()
    for row, n in enumerate((20, 50)):
        own = x[row, :, :n].astype(np.float64)
        own -= own.mean(axis=1, keepdims=True)
        expected = (own - [[0.0], [0.1]]) / [[2.0], [0.5]]
        np.testing.assert_allclose(found[row, :, :n], expected, atol=1e-5)
        assert not found[row, :, n:].any()


def test_a_pack_knows_how_long_each_record_is(padded, manifest, cache):
    records, _, config = padded
    rows = records.rows((1, 9))
    written = pd.read_csv(manifest)["file"].str.startswith("S").to_numpy()
    short = written[records.ecg_id[rows] - 1]
    assert short.any() and not short.all()
    assert records.lengths(rows).tolist() == np.where(short, SHORT, 1000).tolist()
    for row, length in zip(rows[:6], records.lengths(rows)[:6], strict=True):
        file = manifest.parent / pd.read_csv(manifest)["file"][records.ecg_id[row] - 1]
        signal = wfdb.rdsamp(str(file))[0].T
        np.testing.assert_allclose(records.millivolts(rows[:1] * 0 + row)[0, :, :length],
                                   signal, atol=5.1e-4)  # fmt: skip
    device = to_device(records, rows, None, torch.device("cpu"))
    assert device.lengths.tolist() == records.lengths(rows).tolist()
    repeated = replace(config.signal, short="repeat")
    other = load_development(config.data, config.task, config.features, cache, repeated)
    assert other.lengths(rows) is None and other.digest != records.digest


def test_nothing_behind_a_records_end_moves_its_answer(padded):
    records, bundle, _ = padded
    rows = records.rows((9,))
    signals, lengths = records.millivolts(rows), records.lengths(rows)
    junk = signals.copy()
    junk[:, :, SHORT:] = np.where(lengths[:, None, None] == SHORT, 1.5, junk[:, :, SHORT:])
    said = bundle.predict(signals, lengths=lengths)
    np.testing.assert_array_equal(bundle.predict(junk, lengths=lengths), said)
    assert np.abs(bundle.predict(junk) - said).max() > 1e-4
    np.testing.assert_array_equal(score(bundle, records, (9,)).y_score, said)


def test_the_gates_clean_process_answers_as_was_logged(padded, tmp_path):
    records, bundle, _ = padded
    rows = records.rows((9,))
    bundle.save(tmp_path / "bundle")
    np.savez(tmp_path / "given.npz", **arrays_of(bundle, records, rows))
    paths = [str(tmp_path / name) for name in ("bundle", "given.npz", "said.npy")]
    command = [sys.executable, "-m", "registry.gate.clean_load", *paths]
    subprocess.run(command, check=True, cwd=REPOSITORY)
    logged = score(bundle, records, (9,)).y_score
    np.testing.assert_allclose(np.load(tmp_path / "said.npy"), logged, atol=1e-6)


def test_a_whole_record_is_answered_as_without_a_mask(padded):
    records, bundle, _ = padded
    rows = records.rows((9,))[records.lengths(records.rows((9,))) == 1000]
    signals = records.millivolts(rows)
    masked = bundle.predict(signals, lengths=np.full(len(rows), 1000))
    np.testing.assert_allclose(masked, bundle.predict(signals), atol=1e-6)


def test_training_doesnt_see_what_lies_behind_the_end(padded):
    """The loss and its gradients are those of records whose tails are anything else."""
    records, _, config = padded
    gradients = []
    for tail in (0, 7):
        trainer = make_trainer(prepare(records), config)
        data = trainer.train
        behind = torch.arange(1000)[None, :, None] >= data.lengths[:, None, None]
        trainer.train = replace(
            data, signals=torch.where(behind, torch.full_like(data.signals, 100 * tail),
                                      data.signals),
        )  # fmt: skip
        rows = torch.arange(32)
        signal = trainer.train.millivolts(rows)
        torch.manual_seed(0)
        trainer.model.train()
        trainer.learner.expected_loss(
            signal, None, None, data.y_true[rows], data.lengths[rows]
        ).backward()
        gradients.append([p.grad.clone() for p in trainer.model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_file_is_answered_as_its_record_was_judged(padded, manifest):
    records, bundle, _ = padded
    rows = records.rows((9,))
    files = pd.read_csv(manifest)["file"]
    row = next(r for r in rows if files[records.ecg_id[r] - 1].startswith("S"))
    recording = read_recording(str(manifest.parent / files[records.ecg_id[row] - 1]))
    windows = windows_of(recording, bundle.spec)
    assert windows.lengths == (SHORT,) and "6.00 s, repeated to 10 s" in windows.notes
    lengths = np.array(windows.lengths)
    said = bundle.predict(windows.signals, lengths=lengths)
    at = rows.tolist().index(row)
    np.testing.assert_allclose(said[0], score(bundle, records, (9,)).y_score[at], atol=2e-3)
    # What an explanation adds up to is the log-odds of the same answer.
    odds = LogOdds(bundle, SHORT)(torch.from_numpy(windows.signals)).detach().numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), said, atol=1e-6)


def test_a_model_that_wasnt_padded_reads_repeated_records_as_ever(padded):
    records, bundle, _ = padded
    signals = records.millivolts(records.rows((9,)))
    repeating = replace(bundle, provenance={"signal": {"short": "repeat"}})
    short = np.full(len(signals), SHORT)
    np.testing.assert_array_equal(
        repeating.predict(signals, lengths=short), repeating.predict(signals)
    )
