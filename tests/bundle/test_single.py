"""A bundle's round trip, what it predicts with and without features, and what it refuses.

Covers: heart_reader.bundle.checks, heart_reader.bundle.encoders, heart_reader.bundle.folders,
heart_reader.models.predicting.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from heart_reader.bundle.scoring import score
from heart_reader.bundle.single import Bundle, load_bundle, save_bundle
from heart_reader.data import delineation
from heart_reader.errors import DataError, ModelError
from heart_reader.fitting import Prepared
from tests.training.tiny import tiny_bundle, tiny_prepared


@pytest.fixture(scope="module")
def prepared(cache: Path) -> Prepared:
    return tiny_prepared(cache)


@pytest.fixture(scope="module")
def bundle(prepared: Prepared) -> Bundle:
    return tiny_bundle(prepared)


@pytest.fixture(scope="module")
def signals(prepared: Prepared) -> np.ndarray:
    return prepared.records.millivolts(prepared.records.rows((9,)))


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


# ---------------------------------------------------------------- what it predicts


def test_probabilities_by_hand(bundle, prepared, signals):
    """Centre, normalise, encode, forward, sigmoid: each step written out with numpy and torch."""
    rows = prepared.records.rows((9,))
    raw = prepared.records.features.values[rows]
    encoder, normaliser = bundle.encoder, bundle.normaliser
    missing = np.isnan(raw)
    filled = np.clip(np.where(missing, encoder.median, raw), encoder.low, encoder.high)
    encoded = np.hstack([(filled - encoder.median) / encoder.scale, missing]).astype(np.float32)
    centred = signals - signals.mean(axis=2, keepdims=True)
    x = (centred - np.array(normaliser.mean)[:, None]) / np.array(normaliser.std)[:, None]
    with torch.no_grad():
        logits = bundle.model(torch.from_numpy(x.astype(np.float32)), torch.from_numpy(encoded))
    given = bundle.predict(signals, raw)
    np.testing.assert_allclose(given, expit(logits.numpy()), atol=1e-5)
    assert given.dtype == np.float32 and given.shape == (len(rows), 5)


def test_compute_is_what_delineation_measures(bundle, signals):
    age, sex = [63.0] * len(signals), [1.0] * len(signals)
    measured = delineation.extract(signals, 100)
    raw = np.column_stack([measured, age, sex]).astype(np.float32)
    np.testing.assert_array_equal(
        bundle.predict(signals, "compute", age, sex), bundle.predict(signals, raw)
    )
    unknown = np.column_stack([measured, np.full((len(signals), 2), np.nan)]).astype(np.float32)
    np.testing.assert_array_equal(bundle.predict(signals), bundle.predict(signals, unknown))
    assert not np.array_equal(bundle.predict(signals), bundle.predict(signals, raw))


def test_none_is_a_mask_and_equals_features_that_are_all_missing(bundle, signals):
    nothing = np.full((len(signals), len(bundle.encoder.names)), np.nan, np.float32)
    masked = bundle.predict(signals, None)
    np.testing.assert_allclose(masked, bundle.predict(signals, nothing), atol=1e-6)
    assert not np.allclose(masked, bundle.predict(signals))


def test_records_do_not_see_each_other(bundle, signals):
    together = bundle.predict(np.concatenate([signals] * 5))  # more than one batch of 64
    one = np.concatenate([bundle.predict(signals[k : k + 1]) for k in range(3)])
    np.testing.assert_allclose(together[:3], one, atol=1e-6)
    np.testing.assert_allclose(together[: len(signals)], together[-len(signals) :], atol=1e-6)
    assert bundle.predict(signals[:0]).shape == (0, 5)


def test_float32_and_transposed_memory_give_the_same(bundle, signals):
    transposed = np.asfortranarray(signals.astype(np.float32))
    np.testing.assert_allclose(bundle.predict(transposed), bundle.predict(signals), atol=2e-3)
    np.testing.assert_allclose(
        bundle.predict(transposed, None), bundle.predict(signals, None), atol=1e-6
    )


def test_labels_are_at_or_above_the_threshold(bundle):
    limits = bundle.thresholds
    p = np.vstack([limits, np.nextafter(limits, 0), np.nextafter(limits, 1)])
    np.testing.assert_array_equal(bundle.labels(p)[:, 0], [True, False, True])


def test_a_score_of_some_folds_is_the_bundles(bundle, prepared, signals):
    scored = score(bundle, prepared.records, (9,))
    raw = prepared.records.features.values[scored.rows]
    np.testing.assert_array_equal(scored.y_score, bundle.predict(signals, raw))
    frame = scored.frame()
    assert list(frame.columns[:3]) == ["ecg_id", "true_NORM", "score_NORM"]
    np.testing.assert_array_equal(frame["score_HYP"], scored.y_score[:, 4])


# ---------------------------------------------------------------- the folder


def test_the_round_trip_is_exact(bundle, folder, signals):
    loaded = load_bundle(folder)
    np.testing.assert_array_equal(loaded.predict(signals), bundle.predict(signals))
    np.testing.assert_array_equal(loaded.thresholds, bundle.thresholds)
    assert loaded.config == bundle.config and loaded.normaliser == bundle.normaliser
    assert loaded.provenance == bundle.provenance
    assert {path.name for path in folder.iterdir()} == {
        "bundle.json",
        "weights.safetensors",
        "novelty.safetensors",
    }
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]  # nothing half-made


def test_a_signal_only_bundle(cache, tmp_path, signals):
    bundle = tiny_bundle(tiny_prepared(cache, "none"))
    save_bundle(bundle, tmp_path / "b")
    loaded = load_bundle(tmp_path / "b")
    assert loaded.encoder is None
    np.testing.assert_array_equal(loaded.predict(signals), bundle.predict(signals, None))


def test_a_bundle_is_never_overwritten(bundle, folder):
    before = (folder / "bundle.json").read_bytes()
    with pytest.raises(ModelError, match="exists already; bundles are never overwritten"):
        save_bundle(bundle, folder)
    assert (folder / "bundle.json").read_bytes() == before


def test_a_bundle_that_cannot_be_written_leaves_nothing(bundle, tmp_path):
    with pytest.raises(ValueError):
        save_bundle(replace(bundle, provenance={"macro_auc": float("nan")}), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_missing_and_cut_files(folder):
    with pytest.raises(ModelError, match=r"none can't be read"):
        load_bundle(folder.parent / "none")
    weights = folder / "weights.safetensors"
    content = weights.read_bytes()
    for damaged in (b"", content[:50], content[:-8]):
        weights.write_bytes(damaged)
        with pytest.raises(ModelError, match="don't fit or can't be read"):
            load_bundle(folder)
    weights.unlink()
    with pytest.raises(ModelError, match="don't fit or can't be read"):
        load_bundle(folder)
    (folder / "bundle.json").write_text('{"format": 1,')
    with pytest.raises(ModelError, match="can't be read"):
        load_bundle(folder)
    (folder / "bundle.json").write_text("[]")
    with pytest.raises(ModelError, match="must hold a mapping"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 7, "has format 7, this code reads 1 and 2"),
        ("task", {"name": "x"}, "is damaged: .*'classes' is missing"),
        ("signal", ["II", "I"], "is damaged"),
        ("thresholds", [0.5], "is damaged: .*5 thresholds are needed"),
        ("normaliser", {"mean": [0]}, "is damaged: .*'std' is missing"),
        ("model", {}, "is damaged: it lacks 'backbone'"),
        ("encoder", {"source": "compute"}, "is damaged: it lacks 'low'"),
    ],
)
def test_a_description_that_breaks_the_contract(folder, key, value, message):
    path = folder / "bundle.json"
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {key: value}))
    with pytest.raises(ModelError, match=message):
        load_bundle(folder)
    del tree[key]
    path.write_text(json.dumps(tree))
    with pytest.raises(ModelError):
        load_bundle(folder)


def test_weights_of_another_model(folder, cache, tmp_path):
    save_bundle(tiny_bundle(tiny_prepared(cache, "none")), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "weights.safetensors", folder)
    with pytest.raises(ModelError, match="don't fit"):
        load_bundle(folder)


# ---------------------------------------------------------------- what it refuses


def test_signals_that_no_model_reads(bundle, signals):
    with pytest.raises(DataError, match=r"must have the shape \(n_records, 12, 1000\)"):
        bundle.predict(signals.transpose(0, 2, 1))
    gap = signals.copy()
    gap[1, 11, 999] = np.nan
    with pytest.raises(DataError, match="signal 1: lead V6 has samples that are NaN"):
        bundle.predict(gap)
    with pytest.raises(DataError, match="divide microvolts by 1000"):
        bundle.predict(1000 * signals)


def test_features_ages_and_sexes_of_another_length(bundle, signals):
    n, width = len(signals), len(bundle.encoder.names)
    with pytest.raises(DataError, match=rf"^{n - 1} rows of features for {n} signals"):
        bundle.predict(signals, np.zeros((n - 1, width), np.float32))
    with pytest.raises(DataError, match=rf"shape \(n_records, {width}\), but have \({n}, 3\)"):
        bundle.predict(signals, np.zeros((n, 3), np.float32))
    with pytest.raises(DataError, match=rf"age must have one value for each of {n} signals"):
        bundle.predict(signals, "compute", age=[50.0])
    with pytest.raises(DataError, match=rf"sex must have one value for each of {n} signals"):
        bundle.predict(signals, "compute", sex=[0.0] * (n + 1))
    with pytest.raises(DataError, match="'compute', None or an array, but is 'computed'"):
        bundle.predict(signals, "computed")


def test_a_model_of_another_tools_table_masks_what_it_can_not_compute(bundle, signals):
    assert bundle.encoder is not None
    of_table = replace(bundle, encoder=replace(bundle.encoder, source="12sl_features.csv"))
    np.testing.assert_array_equal(of_table.predict(signals), bundle.predict(signals, None))
    assert not np.array_equal(bundle.predict(signals), bundle.predict(signals, None))
