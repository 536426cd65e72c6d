"""What a bundle knows of its own reliability: in its folder, in what it says, and in none of old.

Covers: heart_reader.evaluation.trust.trust, heart_reader.evaluation.trust.made.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from heart_reader.bundle import (
    Bundle,
    EnsembleBundle,
    load_bundle,
    open_bundle,
    save_bundle,
    save_ensemble,
)
from heart_reader.bundle.folders import NOVELTY, folder_digest
from heart_reader.bundle.formats import EXTENDED, FORMAT
from heart_reader.config.load import load_config
from heart_reader.errors import ModelError
from heart_reader.evaluation.metrics import expected_calibration_error
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.trust.abstain import FILE as UNCERTAINTY
from heart_reader.evaluation.trust.calibrator import AS_IT_IS, ISOTONIC, PLATT, Calibrator, Curve
from heart_reader.evaluation.trust.made import (
    LOGGED,
    TABLE,
    calibrated_values,
    calibration_table,
    make_trust,
    write_made,
)
from heart_reader.evaluation.trust.novelty import Novelty, fit_novelty
from heart_reader.evaluation.trust.sets import Limits
from heart_reader.evaluation.trust.trust import NOTHING, Trust
from heart_reader.project import REPOSITORY
from tests.edge.bundles import fresh_bundle

CURVES = (
    Curve(PLATT, 0.5, 1.0, (), ()),
    AS_IT_IS,
    Curve(ISOTONIC, 1, 0, (0.0, 0.5, 1.0), (0.1, 0.2, 0.9)),
    AS_IT_IS,
    Curve("temperature", 2.0, 0.0, (), ()),
)
LIMITS = Limits(0.1, (0.3, 0.2, np.nan, 0.4, 0.5), (0.6, 0.7, np.nan, 0.5, 0.4))


@pytest.fixture(scope="module")
def plain() -> Bundle:
    return fresh_bundle("se_resnet1d", 0)


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (8, 12, 1000)).astype(np.float32)


@pytest.fixture(scope="module")
def trusted(plain: Bundle) -> Bundle:
    size = plain.config.fusion.embedding_size
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(200, size)).astype(np.float32)
    trust = Trust(Calibrator(CURVES), LIMITS, fit_novelty(vectors, vectors))
    return replace(plain, trust=trust)


# ---------------------------------------------------------------- what it says


def test_probabilities_go_through_the_curves_by_hand(plain, trusted, signals):
    p = plain.predict(signals).astype(float)
    given = trusted.predict(signals)
    expected = p.copy()
    expected[:, 0] = expit(0.5 * logit(p[:, 0]) + 1)
    expected[:, 2] = 0.99 * np.interp(p[:, 2], [0, 0.5, 1], [0.1, 0.2, 0.9]) + 0.01 * p[:, 2]
    expected[:, 4] = expit(2 * logit(p[:, 4]))
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_novelty_is_the_distance_of_the_models_own_embedding(plain, trusted, signals):
    import torch

    with torch.no_grad():
        x = plain.normaliser(torch.from_numpy(signals))
        vectors = plain.model.embed(x).numpy()
    found = trusted.answer(signals).novelty
    np.testing.assert_allclose(found, trusted.trust.novelty.of(vectors), rtol=1e-5)
    assert plain.answer(signals).novelty is None


def test_an_ensemble_is_calibrated_behind_the_mixture(plain, trusted, signals):
    weights = np.array([[0.3] * 5, [0.7] * 5])
    members, halves = (plain, trusted), np.full(5, 0.5)
    bare = EnsembleBundle(members, ("a", "b"), weights, halves, {})
    mixed = 0.3 * plain.predict(signals) + 0.7 * trusted.predict(signals)
    np.testing.assert_allclose(bare.predict(signals), mixed, atol=1e-6)
    whole = replace(bare, trust=Trust(Calibrator(CURVES), LIMITS, None))
    expected = Calibrator(CURVES).apply(bare.predict(signals))
    np.testing.assert_array_equal(whole.predict(signals), expected)
    assert whole.answer(signals).novelty is None  # a member can't tell
    both = replace(whole, members=(trusted, trusted)).answer(signals).novelty
    np.testing.assert_allclose(both, trusted.answer(signals).novelty, rtol=1e-6)


# ---------------------------------------------------------------- the folder


def test_it_comes_back_from_its_folder(trusted, signals, tmp_path):
    save_bundle(trusted, tmp_path / "one")
    assert json.loads((tmp_path / "one/bundle.json").read_text())["format"] == EXTENDED
    again = load_bundle(tmp_path / "one")
    np.testing.assert_array_equal(again.predict(signals), trusted.predict(signals))
    np.testing.assert_array_equal(again.answer(signals).novelty, trusted.answer(signals).novelty)
    labels = again.labels(again.predict(signals))
    ours, theirs = (b.trust.uncertain(b.predict(signals), labels) for b in (again, trusted))
    np.testing.assert_array_equal(ours, theirs)
    together = EnsembleBundle(
        (trusted,), ("a",), np.ones((1, 5)), np.full(5, 0.5), {}, Trust(None, LIMITS, None)
    )
    save_ensemble(together, tmp_path / "many")
    opened = open_bundle(tmp_path / "many")
    assert opened.trust.limits.error == 0.1 and not opened.trust.calibrated
    np.testing.assert_array_equal(opened.predict(signals), together.predict(signals))


def test_a_bundle_without_it_is_written_as_before(plain, tmp_path):
    """So that code of before reads it, and an old bundle says what it said, bit for bit."""
    save_bundle(plain, tmp_path / "plain")
    tree = json.loads((tmp_path / "plain/bundle.json").read_text())
    assert tree["format"] == FORMAT and "trust" not in tree
    assert sorted(p.name for p in (tmp_path / "plain").iterdir()) == [
        "bundle.json", "weights.safetensors",
    ]  # fmt: skip
    assert load_bundle(tmp_path / "plain").trust == NOTHING
    for folder in sorted((REPOSITORY / "pretrained").glob("*/*.json")):
        assert open_bundle(folder.parent).trust == NOTHING


def test_the_digest_counts_the_novelty(trusted, tmp_path):
    save_bundle(trusted, tmp_path / "a")
    before = folder_digest(tmp_path / "a")
    path = tmp_path / "a" / NOVELTY
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert folder_digest(tmp_path / "a") != before


def spoilt(tmp_path: Path, trusted: Bundle, change) -> Path:
    folder = tmp_path / "spoilt"
    save_bundle(trusted, folder)
    change(folder)
    return folder


def edit(*keys, value):
    def change(folder: Path) -> None:
        tree = json.loads((folder / "bundle.json").read_text())
        inner = tree["trust"]
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        (folder / "bundle.json").write_text(json.dumps(tree))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit("calibration", "NORM", "slope", value=1e9), "slopes lie from"),
        (edit("calibration", value={}), "calibration is of classes"),
        (edit("calibration", value=[1]), "damaged"),
        (edit("limits", "error", value=2), "conformal error"),
        (edit("limits", "present", "MI", value=7), "conformal limits"),
        (edit("novelty", value=-1), "novelty needs"),
        (lambda folder: (folder / NOVELTY).unlink(), "isn't there"),
        (lambda folder: (folder / NOVELTY).write_bytes(b"junk"), "can't be read"),
    ],
)
def test_what_no_trust_is_is_one_clear_line(change, message, trusted, tmp_path):
    with pytest.raises(ModelError, match=message) as caught:
        load_bundle(spoilt(tmp_path, trusted, change))
    assert "\n" not in str(caught.value)


def test_a_novelty_of_other_embeddings(trusted, tmp_path):
    other = Novelty(np.zeros(3, np.float32), np.eye(3, dtype=np.float32), 1.0)
    wrong = replace(trusted, trust=replace(trusted.trust, novelty=other))
    save_bundle(wrong, tmp_path / "wrong")
    with pytest.raises(ModelError, match="is of embeddings of 3, the model's have"):
        load_bundle(tmp_path / "wrong")


# ---------------------------------------------------------------- made on fold 9


@pytest.fixture(scope="module")
def made():
    """Log-odds that are twice too sure of one class; the other keeps its word."""
    rng = np.random.default_rng(0)
    odds = rng.normal(-0.5, 1.5, (3000, 2))
    y_true = (rng.random(odds.shape) < expit(odds)).astype(np.uint8)
    y_score = expit(odds * [2.5, 1]).astype(np.float32)
    rows = np.arange(3000)
    raw = Scored(rows, rows, y_true, y_score, np.full(2, 0.5), ("A", "B"))
    return make_trust(raw, rows, load_config("default", {}).evaluation)


def test_the_slope_that_was_put_in_is_found(made):
    curve = made.trust.calibrator.curves[0]
    assert curve.method in ("temperature", "platt")
    assert curve.slope == pytest.approx(1 / 2.5, rel=0.1)


def test_thresholds_follow(made):
    """The same records are positive as by the rule on the scores of before."""
    from heart_reader.evaluation.thresholds import youden

    before = made.raw.y_score >= youden(made.raw.y_true, made.raw.y_score)
    np.testing.assert_array_equal(made.own.y_score >= made.own.thresholds, before)


def test_figures_are_of_scores_that_others_calibrated(made, tmp_path):
    values = calibrated_values(made, 10)
    expected = expected_calibration_error(made.raw.y_true, made.fitted.y_score, 10).mean()
    assert values["ece"] == pytest.approx(expected)
    assert values["ece"] < 0.5 * values["ece_uncalibrated"]
    table = calibration_table(made, 10, 50).set_index("class")
    assert list(table.index) == ["A", "B", "mean"]
    for when in ("before", "after"):
        low, high = table[f"ece_{when}_low95"], table[f"ece_{when}_high95"]
        assert (low < high).all() and (low["mean"] < table[f"ece_{when}"]["mean"] * 1.5)
    assert table["ece_after_high95"]["A"] < table["ece_before_low95"]["A"]
    config = load_config("default", {}).evaluation
    write_made(made, config, tmp_path, None)
    assert {p.name for p in tmp_path.iterdir()} == {LOGGED, TABLE, UNCERTAINTY}
    none = make_trust(made.raw, made.raw.rows, replace(config, calibration="none"))
    assert none.fitted is None and calibrated_values(none, 10) == {}
    np.testing.assert_array_equal(none.own.y_score, made.raw.y_score)
