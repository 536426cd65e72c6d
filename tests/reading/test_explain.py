"""What moved a probability: sums that must come out, and stretches whose loss must be felt."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heart_reader.bundle.ensemble import EnsembleBundle
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.measuring import raw_features
from heart_reader.bundle.single import Bundle
from heart_reader.data.delineation import delineate, main_measurements
from heart_reader.data.normal.ecg import normal_ecg
from heart_reader.data.ptbxl import LEADS, SUPERCLASSES
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.evaluation.sheets.explanation import (
    WINDOW,
    Explanation,
    marks,
    moving_features,
    stretches,
    waves,
)
from heart_reader.fitting import Prepared, make_bundle, make_trainer
from heart_reader.reading.explain import classes_to_explain, explain
from heart_reader.reading.usual import FLAT, NORMAL, usual_ecg, usual_features
from tests.training.tiny import tiny_config, tiny_prepared

N_RECORDS, N_RANDOM = 10, 6


@pytest.fixture(scope="module")
def prepared(cache: Path) -> Prepared:
    return tiny_prepared(cache)


@pytest.fixture(scope="module")
def bundle(prepared: Prepared) -> Bundle:
    """Small, but trained on all of the demo's records until it knows something."""
    config = tiny_config(training__epochs=8, model__se_resnet1d__width=16)
    result = make_trainer(prepared, config).fit([])
    return make_bundle(prepared, config, result, {})[0]


@pytest.fixture(scope="module")
def ensemble(bundle: Bundle) -> EnsembleBundle:
    """Of the bundle and of one whose head sees the signal doubled."""
    import copy

    other = copy.deepcopy(bundle.model)
    other.head[0].weight.data *= 1.5
    weights = np.array([[0.7] * 5, [0.3] * 5])
    pair = (bundle, replace(bundle, model=other))
    return EnsembleBundle(pair, ("a", "b"), weights, bundle.thresholds, {})


@pytest.fixture(scope="module")
def signals(prepared: Prepared) -> np.ndarray:
    return prepared.records.millivolts(prepared.records.rows((9,))[:N_RECORDS])


@pytest.fixture(scope="module")
def features(bundle: Bundle, signals: np.ndarray) -> np.ndarray:
    age, sex = np.linspace(30, 80, N_RECORDS), np.arange(N_RECORDS) % 2
    return raw_features(bundle.feature_source, signals, bundle.spec, "compute", age, sex)


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


# ---------------------------------------------------------------- completeness


@pytest.mark.parametrize("kind", ["bundle", "ensemble"])
def test_all_contributions_add_up_to_what_was_moved(kind, request, bundle, signals, features):
    model: AnyBundle = request.getfixturevalue(kind)
    normal = usual_ecg(signals[0], PTBXL_SIGNAL)
    known = np.concatenate([normal.measured[:-2], bundle.encoder.median[-2:]])  # age and sex
    given = model.predict(signals[:1], features[:1])[0]
    usual = model.predict(normal.signal[None], known[None])[0]
    for found in explain(model, signals[0], features[0], ("MI", "HYP")):
        k = SUPERCLASSES.index(found.class_name)
        assert found.probability == pytest.approx(given[k], abs=1e-5)
        assert found.usual == pytest.approx(usual[k], abs=1e-5)
        assert found.start == NORMAL
        moved = log_odds(given[k]) - log_odds(usual[k])
        total = found.signal.sum() + found.features.sum()
        # The axiom, up to what captum says of its own sum; and that is little.
        assert total - moved == pytest.approx(found.delta, abs=2e-3)
        assert abs(found.delta) < 0.02 + 0.03 * np.abs(found.signal).sum()
        assert found.signal.shape == (12, 1000)
        assert (
            len(found.features)
            == len(found.names)
            == len(found.values)
            == len(bundle.encoder.names)
        )


def test_without_features_the_signal_alone_moved_it(bundle, signals):
    (found,) = explain(bundle, signals[1], None, ["CD"])
    assert moving_features(found) == [] and found.names == ()
    assert found.probability == pytest.approx(bundle.predict(signals[1:2], None)[0, 3], abs=1e-5)


def test_a_lead_that_is_as_usual_moved_nothing(bundle, signals, features):
    start = usual_ecg(signals[0], PTBXL_SIGNAL)
    signal, v3 = signals[0].copy(), LEADS.index("V3")
    signal[v3] = start.signal[v3]
    (found,) = explain(bundle, signal, features[0], ["STTC"], start)
    assert np.abs(found.signal).sum(axis=1).argmin() == v3
    np.testing.assert_array_equal(found.signal[v3], 0)


# ---------------------------------------------------------------- where it starts


def test_a_normal_ecg_has_the_records_beats_and_levels(signals):
    shifted = signals[0] + np.linspace(-0.5, 0.5, 12, dtype=np.float32)[:, None]
    start = usual_ecg(shifted, PTBXL_SIGNAL)
    np.testing.assert_allclose(
        np.median(start.signal, axis=1), np.median(shifted, axis=1), atol=1e-5
    )
    own, usual = delineate(np.stack([shifted, start.signal]), 100).r_peaks
    inner = own[(own > 0.3) & (own < 9.7)]
    assert len(inner) > 5
    distance = np.abs(inner[:, None] - usual[None]).min(axis=1)
    assert distance.max() < 0.02  # seconds


def test_a_normal_ecg_measures_as_normal():
    """Of a regular rhythm of 60 /min: limits of AHA/ACC/HRS and of a usual textbook."""
    ecg = normal_ecg(np.arange(0.5, 10), 500, 5000)
    (found,) = main_measurements(delineate(ecg[None], 500))
    assert found.rate_bpm == pytest.approx(60, abs=0.5)
    assert 120 <= found.pr_ms <= 200
    assert 70 <= found.qrs_ms <= 110
    assert 360 <= found.qtc_ms <= 450
    assert -30 <= found.qrs_axis_degrees <= 90
    i, ii, iii, avr = ecg[:4]
    np.testing.assert_allclose(iii, ii - i, atol=5e-3)  # Einthoven, mV; warping and rounding
    np.testing.assert_allclose(avr, -(i + ii) / 2, atol=5e-3)


def test_a_faster_heart_has_a_shorter_qt():
    ecgs = [normal_ecg(np.arange(0.5, 10, rr), 500, 5000) for rr in (0.7, 1.1)]
    fast, slow = main_measurements(delineate(np.stack(ecgs), 500))
    assert fast.qt_ms / slow.qt_ms == pytest.approx(np.cbrt(0.7 / 1.1), abs=0.05)


def test_without_beats_it_starts_from_a_flat_line(bundle):
    noise = np.zeros((12, 1000), np.float32) + 0.2
    start = usual_ecg(noise, PTBXL_SIGNAL)
    assert start.name == FLAT and start.measured is None
    np.testing.assert_array_equal(start.signal, noise)
    np.testing.assert_array_equal(usual_features(bundle.encoder, start), 0)


def test_the_classes_that_are_present_are_explained():
    limits = np.full(5, 0.5)
    three = classes_to_explain(np.array([0.1, 0.6, 0.2, 0.9, 0.5]), limits, SUPERCLASSES)
    assert three == ["CD", "MI", "HYP"]
    assert classes_to_explain(np.array([0.1, 0.3, 0.2, 0.4, 0.0]), limits, SUPERCLASSES) == ["CD"]


# ---------------------------------------------------------------- what is lost without it


def as_usual(
    signal: np.ndarray, normal: np.ndarray, lead: int, spans: Sequence[tuple[int, int]]
) -> np.ndarray:
    """The signal with stretches of a lead from the ECG that explanations start from."""
    out = signal.copy()
    for start, stop in spans:
        out[lead, start:stop] = normal[lead, start:stop]
    return out


def test_as_in_a_normal_ecg_the_most_marked_stretch_costs_most(bundle, signals, features):
    """Against equally long stretches of a random lead at random times, put in likewise."""
    rng = np.random.default_rng(5)
    delineation = delineate(signals, 100)
    marked, random = [], []
    for record, signal in enumerate(signals):
        p = bundle.predict(signal[None], features[record : record + 1])[0]
        (name,) = classes_to_explain(p, bundle.thresholds, SUPERCLASSES)[:1]
        k = SUPERCLASSES.index(name)
        (found,) = explain(bundle, signal, features[record], [name])
        top = max(stretches(found, waves(delineation, record)), key=lambda each: each.log_odds)
        normal = usual_ecg(signal, PTBXL_SIGNAL).signal
        changed = [as_usual(signal, normal, LEADS.index(top.lead), top.spans)]
        for _ in range(N_RANDOM):
            starts = rng.integers(0, 1000 - WINDOW, len(top.spans))
            lengths = [stop - start for start, stop in top.spans]
            spans = [(s, min(s + n, 1000)) for s, n in zip(starts, lengths, strict=True)]
            changed.append(as_usual(signal, normal, rng.integers(12), spans))
        given = np.repeat(features[record : record + 1], len(changed), axis=0)
        lost = p[k] - bundle.predict(np.stack(changed), given)[:, k]
        marked.append(lost[0])
        random.append(lost[1:].mean())
    assert np.mean(marked) > 2 * max(np.mean(random), 0)
    assert np.mean(np.array(marked) > np.array(random)) >= 0.8
    assert np.mean(marked) > 0.001


# ---------------------------------------------------------------- in a reader's units


def made_up(signal: np.ndarray) -> Explanation:
    nothing = np.empty(0)
    return Explanation(
        "MI", 0.9, 0.4, NORMAL, signal, nothing, (), nothing.astype(np.float32), 0.0
    )


def test_waves_lie_where_the_beats_are(signals):
    delineation = delineate(signals[:1], 100)
    found = waves(delineation, 0)
    peaks = delineation.r_peaks[0] * 100
    assert len(found["QRS"]) == len(peaks)
    for (start, stop), peak in zip(found["QRS"], peaks, strict=True):
        assert start <= peak <= stop and 4 <= stop - start <= 26  # up to 250 ms
    for (_, qrs_off), (st_on, st_off), (t_on, _) in zip(
        found["QRS"], found["ST"], found["T"], strict=False
    ):
        assert qrs_off == st_on and st_off == t_on


def test_a_stretch_is_the_sum_over_its_beats(signals):
    added = np.random.default_rng(0).normal(size=(12, 1000))
    spans = {"QRS": ((10, 20), (110, 120)), "T": ((40, 60),)}
    found = stretches(made_up(added), spans)
    assert len(found) == 24
    sizes = [abs(each.log_odds) for each in found]
    assert sizes == sorted(sizes, reverse=True)
    one = next(each for each in found if (each.lead, each.wave) == ("aVF", "QRS"))
    expected = added[5, 10:20].sum() + added[5, 110:120].sum()
    assert one.log_odds == pytest.approx(expected)


def test_noise_without_beats_gets_windows():
    noise = np.random.default_rng(1).normal(0, 0.01, (1, 12, 1000))
    noise[:] = 0
    delineation = delineate(noise, 100)
    found = waves(delineation, 0)
    assert list(found) == [""] and len(found[""]) == 50
    added = np.zeros((12, 1000))
    added[7, 205:215] = 1
    (top, *_) = stretches(made_up(added), found)
    assert (top.lead, top.spans, top.log_odds) == ("V2", ((200, 220),), 10)
    assert marks(made_up(added), delineation, 0)[7].sum() == pytest.approx(10)


def test_marks_are_what_like_beats_have_in_common(signals):
    """A mark in one beat alone is spread over all that look like it; one in all stays as it is."""
    delineation = delineate(signals[:1], 100)
    kept = delineation.kept[0]
    peaks = np.round(delineation.r_peaks[0][kept] * 100).astype(int)
    inner = [p for p in peaks if 40 < p < 960]
    in_all, in_one = np.zeros((12, 1000)), np.zeros((12, 1000))
    in_all[3, inner] = 1
    in_one[3, inner[0]] = 1
    everywhere = marks(made_up(in_all), delineation, 0)[3]
    spread = marks(made_up(in_one), delineation, 0)[3]
    heights = everywhere[inner]
    np.testing.assert_allclose(heights, heights[0], rtol=1e-6)
    np.testing.assert_allclose(spread[inner] * len(inner), heights, rtol=1e-6)
