"""Verdicts on synthetic and real ECGs with known faults; numbers against scipy and arithmetic."""

import itertools

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfiltfilt

from benchmarks.quality import FAULTS
from heart_reader.data.delineation import delineate
from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.ptbxl import LEADS, load_metadata
from heart_reader.data.quality import (
    DOUBTFUL,
    GOOD,
    UNUSABLE,
    USUAL_QRS_MV,
    assess,
    measure,
    scale_note,
    without_labels,
)
from heart_reader.data.quality.measures import longest_run
from heart_reader.data.signals.pack import load_pack
from heart_reader.errors import DataError

FS, SECONDS = 100, np.arange(1000) / 100


@pytest.fixture(scope="module")
def signals(demo_root, cache) -> np.ndarray:
    """80 synthetic ECGs that nothing is wrong with, mV."""
    found = load_pack(demo_root, load_metadata(demo_root).head(80), cache, "error", False)
    return found.millivolts(slice(0, 80))


def verdicts(signals: np.ndarray, fs: float = FS) -> list[str]:
    return [quality.verdict for quality in assess(signals, fs, LEADS)]


# ---------------------------------------------------------------- nothing wrong


def test_synthetic_records_are_good_at_every_rate(signals):
    assert verdicts(signals).count(GOOD) >= 79
    fast = resample_poly(signals[:20], 5, 1, axis=2)
    assert verdicts(fast, 500).count(GOOD) >= 19


def test_an_offset_changes_nothing(signals):
    offset = np.linspace(-8, 8, 12)[:, None]
    assert verdicts(signals + offset) == verdicts(signals)


def test_real_records_are_hardly_ever_called_unusable(real_ptbxl, cache):
    metadata = load_metadata(real_ptbxl).query("strat_fold < 10")
    there = [(real_ptbxl / f"{name}.hea").exists() for name in metadata["filename_lr"]]
    pack = load_pack(real_ptbxl, metadata[there], cache, "skip", False)
    found = verdicts(pack.millivolts(slice(0, 180)))
    assert len(found) == 180 and UNUSABLE not in found
    assert found.count(DOUBTFUL) <= 0.03 * 180


# ---------------------------------------------------------------- every fault is caught

# The fault, and what it makes of a record; those that single records hide behind a tall or a
# small heart are in the next table.
ALWAYS = {
    "flat: all leads": UNUSABLE,
    "flat: 7 leads": UNUSABLE,
    "flat: 1 lead": DOUBTFUL,
    "1 lead comes off": DOUBTFUL,
    "1 lead repeats another": DOUBTFUL,
    "all leads the same": UNUSABLE,
    "white noise of 0.1 mV alone": UNUSABLE,
    "random walk alone": UNUSABLE,
    "muscle alone": UNUSABLE,
    "50 Hz alone, at 100 Hz": UNUSABLE,
    "60 Hz alone, at 100 Hz": UNUSABLE,
    "50 Hz alone, resampled": UNUSABLE,
    "60 Hz alone, resampled": UNUSABLE,
    "50 Hz: 1 lead": DOUBTFUL,
    "amplitude x 0.001 (volts)": UNUSABLE,
    "amplitude x 0.01": UNUSABLE,
    "amplitude x 100": UNUSABLE,
    "amplitude x 1000 (µV)": UNUSABLE,
    "1 lead x 100": DOUBTFUL,
}
# Shares of the records that are not good, and unusable, at least.
MOSTLY = {
    "clipped at 40%: all leads": (0.95, 0.9),
    "clipped at 40%: 2 leads": (0.95, 0),
    "white noise of 0.1 mV: 1 lead": (0.95, 0),
    "amplitude x 0.1": (1, 0.85),
    "amplitude x 0.2": (0.95, 0),
    "amplitude x 5 (gain 200 for 1000)": (0.95, 0.85),
    "amplitude x 10": (1, 0.95),
    "1 lead x 0.01": (0.95, 0),
}


def test_no_fault_is_without_a_row():
    assert set(ALWAYS) | set(MOSTLY) == set(FAULTS)


@pytest.mark.parametrize("name", ALWAYS)
def test_a_fault_is_always_caught(signals, name):
    broken = FAULTS[name](signals.copy(), np.random.default_rng(3))
    assert set(verdicts(broken)) == {ALWAYS[name]}


@pytest.mark.parametrize("name", MOSTLY)
def test_a_fault_is_mostly_caught(signals, name):
    found = verdicts(FAULTS[name](signals.copy(), np.random.default_rng(3)))
    not_good, unusable = MOSTLY[name]
    assert 1 - found.count(GOOD) / len(found) >= not_good
    assert found.count(UNUSABLE) / len(found) >= unusable


# ---------------------------------------------------------------- in words


def said(signal: np.ndarray) -> tuple[str, ...]:
    (quality,) = assess(signal[None], FS, LEADS)
    return quality.reasons


def test_the_reason_names_lead_and_kind(signals):
    one = signals[0].copy()
    one[7] = 0
    assert said(one) == ("flat: V2",)
    one[7], one[10, 400] = signals[0, 7], np.nan
    assert said(one) == ("missing or infinite samples: V5",)
    one[10] = 0.2 * np.sin(2 * np.pi * 49.9 * SECONDS)
    assert said(one) == ("mains hum alone: V5",)
    one[10] = one[9]
    assert said(one) == ("repeats another lead: V5",)


def test_a_record_without_signal_says_all_of_it():
    assert said(np.zeros((12, 1000))) == (
        "only 0 of 12 leads can be read",
        "no QRS found",
        "flat: all leads",
    )


@pytest.mark.parametrize(
    ("factor", "word"), [(1e-3, "volts, not mV"), (5, "gain 200 where 1000"), (1e3, "µV, not mV")]
)
def test_a_likely_mistake_is_named(signals, factor, word):
    usual = min(signals, key=lambda s: abs(assess(s[None], FS, LEADS)[0].qrs_mv - USUAL_QRS_MV))
    (quality,) = assess(factor * usual[None], FS, LEADS)
    assert quality.verdict == UNUSABLE
    assert any(word in reason for reason in quality.reasons), quality.reasons


def test_a_data_set_says_its_factor_once():
    sizes = np.array([0.5, 0.96, 2.0, np.nan])
    assert scale_note(sizes) is None and scale_note(np.array([np.nan])) is None
    told = scale_note(5 * sizes)
    assert told is not None and "is 4.8 mV, 5 times PTB-XL's: is the gain 200" in told
    told = scale_note(sizes / 1000)
    assert told is not None and "volts" in told


def test_unusable_records_lose_their_labels(signals):
    two = np.stack([signals[0], np.zeros((12, 1000))])
    present = np.ones((2, 3), bool)
    kept = without_labels(present, assess(two, FS, LEADS))
    assert kept.tolist() == [[True] * 3, [False] * 3]


def test_other_leads_and_lengths(signals):
    two = signals[:5, [1, 6], :500]
    assert {q.verdict for q in assess(two, FS, ("II", "V1"))} == {GOOD}
    assert assess(np.empty((0, 2, 500)), FS, ("II", "V1")) == []
    with pytest.raises(DataError, match=r"must be \(n_records, 12 leads, n_times\)"):
        assess(two, FS, LEADS)
    with pytest.raises(DataError, match=r"50 Hz and 1\.5 s on, but the signals have 25 Hz"):
        assess(signals[:1], 25, LEADS)


# ---------------------------------------------------------------- the numbers


def test_the_longest_run_against_groupby():
    true = np.random.default_rng(0).random((30, 40)) < 0.7
    expected = [max(len(list(g)) for k, g in itertools.groupby(row) if k) for row in true]
    assert longest_run(true).tolist() == expected
    assert longest_run(np.zeros((1, 4), bool)).tolist() == [0]


def test_fast_content_against_a_filter(signals):
    noisy = signals[:8] + np.random.default_rng(1).normal(0, 0.05, (8, 12, 1000))
    above = sosfiltfilt(butter(8, 35, "highpass", fs=FS, output="sos"), noisy, axis=2)
    np.testing.assert_allclose(measure(noisy, FS).fast, above.std(axis=2), rtol=0.3)
    sine = np.broadcast_to(0.3 * np.sin(2 * np.pi * 41 * SECONDS), (1, 1, 1000))
    found = measure(sine, FS)
    assert found.fast[0, 0] == pytest.approx(0.3 / np.sqrt(2), rel=0.01)
    assert found.tone_hz[0, 0] == 41 and found.tone[0, 0] > 0.999


def test_size_and_beats_against_the_delineation(signals):
    """The delineation finds and averages beats by other filters, at another rate."""
    found, beats = measure(signals, FS), delineate(signals, FS)
    whole = slice(BEFORE - 50, BEFORE + 51)  # 0.1 s each side of the R peak at 500 Hz
    there = np.ptp(beats.median_beats[:, :, whole], axis=2)
    ratio = np.median(found.qrs / there, axis=1)  # a record each
    assert np.nanpercentile(ratio, [5, 95]) == pytest.approx([1, 1], abs=0.15)
    counted = np.array([len(peaks) for peaks in beats.r_peaks])
    assert (np.abs(counted - found.n_beats) <= 1).mean() > 0.95
