"""What moved a probability, in the units of a reader: waves of leads, and measured features."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from heart_reader.data.delineation import Delineation, MainMeasurements
from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.ptbxl import LEADS, N_TIMES, SAMPLING_RATE
from heart_reader.evaluation.sheets.feature_words import feature_words, shown_value

Floats = NDArray[np.float64]
Span = tuple[int, int]  # samples from, up to

WINDOW = 20  # samples: 200 ms stand in for waves where no beat could be measured
SMOOTHING = 2.0  # samples: gradients jump between neighbours, marks shouldn't
# By the second part of a feature's name; the units are those of PTB-XL+.
UNITS = {"Amp": "mV", "Amp80ms": "mV", "Area": "mV ms", "HR": "/min", "age": "years"}
DEGREES = ("P_Axis", "QRS_Axis", "T_Axis")


@dataclass(frozen=True)
class Explanation:
    """What moved one class's log-odds in one record.

    Attributes:
        class_name: of the task.
        probability: of the record.
        usual: the probability from which it was moved.
        start: what has that probability, such as "a normal ECG of this rhythm".
        signal: log-odds that each sample added, (n_leads, n_times).
        features: log-odds that each feature added, (n_features,); empty where none was read.
        names: of the features.
        values: of the features, raw, NaN where missing.
        delta: log-odds that the steps of the integral left out.
        fs: Hz, of the signal.
    """

    class_name: str
    probability: float
    usual: float
    start: str
    signal: Floats
    features: Floats
    names: tuple[str, ...]
    values: NDArray[np.float32]
    delta: float
    fs: float = SAMPLING_RATE


@dataclass(frozen=True)
class Stretch:
    """One wave of one lead in all beats: ``wave`` is "" for a window where none was measured.

    ``log_odds`` is what its samples added together; ``spans`` are where they lie.
    """

    lead: str
    wave: str
    log_odds: float
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Feature:
    """One measured feature: its raw value (NaN: missing), its unit, and what it added."""

    name: str
    value: float
    unit: str
    log_odds: float


# ---------------------------------------------------------------- waves


def waves(
    delineation: Delineation, record: int, fs: float = SAMPLING_RATE, n_times: int = N_TIMES
) -> dict[str, tuple[Span, ...]]:
    """Where each wave of each beat lies, in samples; windows where there are no beats.

    Args:
        delineation: of some records.
        record: which of them.
        fs: Hz, of the samples.
        n_times: how many there are.
    """
    f, window = delineation.fiducials, round(WINDOW * fs / SAMPLING_RATE)
    t_on = np.maximum(f.qrs_off, 2 * f.t_peak - f.t_off)  # a T wave taken as symmetric
    edges = {
        "P": (f.p_on, f.p_off),
        "QRS": (f.qrs_on, f.qrs_off),
        "ST": (f.qrs_off, t_on),
        "T": (t_on, f.t_off),
    }
    found: dict[str, tuple[Span, ...]] = {}
    for wave, (on, off) in edges.items():
        relative = [(float(edge[record]) - BEFORE) / delineation.fs for edge in (on, off)]
        if all(map(math.isfinite, relative)):
            spans = [_span(peak, relative, fs, n_times) for peak in delineation.r_peaks[record]]
            found[wave] = tuple(span for span in spans if span[1] > span[0])
    if not any(found.values()):
        return {"": tuple((t, t + window) for t in range(0, n_times, window))}
    return found


def _span(peak: float, relative: list[float], fs: float, n_times: int) -> Span:
    start, stop = (round((peak + each) * fs) for each in relative)
    return max(start, 0), min(stop, n_times)


def stretches(explanation: Explanation, spans: Mapping[str, tuple[Span, ...]]) -> list[Stretch]:
    """What each wave of each lead added over all beats, the largest first; windows one by one."""
    found = []
    for wave, every in spans.items():
        for group in [every] if wave else [(span,) for span in every]:
            inside = np.zeros(explanation.signal.shape[1], bool)
            for start, stop in group:
                inside[start:stop] = True
            added = explanation.signal[:, inside].sum(axis=1)
            found += [
                Stretch(lead, wave, float(value), group)
                for lead, value in zip(LEADS, added, strict=True)
            ]
    return sorted(found, key=lambda each: -abs(each.log_odds))


def marks(explanation: Explanation, delineation: Delineation, record: int) -> Floats:
    """What to draw: log-odds that a sample of like beats adds over them all, smoothed.

    One beat's gradients are noise to the eye; what beats that look alike have in common isn't. A
    sample of a beat that is like no other, and of a record without beats, stands for itself.

    Returns:
        (n_leads, n_times).
    """
    ratio = explanation.fs / SAMPLING_RATE  # per 10 ms, whatever the rate
    smooth = gaussian_filter1d(explanation.signal * ratio, SMOOTHING * ratio, axis=1)
    peaks, kept = delineation.r_peaks[record], delineation.kept[record]
    if not kept.any():
        return np.asarray(smooth)
    times = np.arange(smooth.shape[1])
    distance = times[:, None] - np.round(peaks * explanation.fs)[None]  # (n_times, beats)
    nearest = np.abs(distance).argmin(axis=1)
    alike = kept[nearest]
    phase = distance[times, nearest].astype(int)[alike]
    phase -= phase.min()
    for row in smooth:
        row[alike] = np.bincount(phase, row[alike])[phase]
    return np.asarray(smooth)


# ---------------------------------------------------------------- features


def moving_features(explanation: Explanation) -> list[Feature]:
    """The features, those that moved the log-odds most first."""
    order = np.argsort(-np.abs(explanation.features), kind="stable")
    return [
        Feature(
            explanation.names[k],
            float(explanation.values[k]),
            unit_of(explanation.names[k]),
            float(explanation.features[k]),
        )
        for k in order
    ]


def unit_of(name: str) -> str:
    """The unit of a feature.

    >>> unit_of("Q_Dur_aVF"), unit_of("QRS_AxisFront_Global"), unit_of("ST_Amp80ms_V2")
    ('ms', '°', 'mV')
    """
    if name == "sex":
        return ""
    if name.startswith(DEGREES):
        return "°"
    return next((UNITS[part] for part in name.split("_") if part in UNITS), "ms")


def value_text(feature: Feature) -> str:
    """A feature's value as a reader writes it.

    >>> value_text(Feature("Q_Dur_aVF", 90.0, "ms", 0.2))
    '90 ms'
    >>> value_text(Feature("sex", 1.0, "", 0.2)), value_text(Feature("P_Amp_I", math.nan, "mV", 0))
    ('female', 'absent')
    """
    if not math.isfinite(feature.value):
        return "absent"
    if feature.name == "sex":
        return "female" if feature.value else "male"
    return f"{feature.value:.{2 if feature.unit == 'mV' else 0}f} {feature.unit}"


@dataclass(frozen=True)
class Terms:
    """Names and log-odds that add up to what was moved.

    Attributes:
        waves: the waves that added most, then all the rest of the signal.
        features: the features that added most, then all the rest of them; empty if none was read.
        total: the difference of the two log-odds.
    """

    waves: tuple[tuple[str, float], ...]
    features: tuple[tuple[str, float], ...]
    total: float


def terms_of(
    explanation: Explanation,
    spans: Mapping[str, tuple[Span, ...]],
    n_named: int,
    measured: MainMeasurements | None = None,
) -> Terms:
    """What moved it most, and all the rest, so that everything adds up.

    What the steps of the integral left out is in the rest of the signal.

    Args:
        explanation: of one class.
        spans: of `waves`.
        n_named: waves, and features, by name.
        measured: the record's main measurements, shown where they are what a feature is.
    """
    total = log_odds_of(explanation.probability) - log_odds_of(explanation.usual)
    named = stretches(explanation, spans)[:n_named]
    waves_ = [
        (f"{each.lead} {each.wave or _at(each, explanation.fs)}", each.log_odds) for each in named
    ]
    of_features = float(explanation.features.sum())
    rest = total - of_features - sum(value for _, value in waves_)
    waves_.append(("all the rest of the signal", rest))
    if not len(explanation.features):
        return Terms(tuple(waves_), (), total)
    top = moving_features(explanation)[:n_named]
    read = [(_in_words(each, measured), each.log_odds) for each in top]
    read.append(("all other measurements", of_features - sum(value for _, value in read)))
    return Terms(tuple(waves_), tuple(read), total)


def log_odds_of(probability: float) -> float:
    """The logit, finite for 0 and 1 too."""
    p = min(max(probability, 1e-7), 1 - 1e-7)
    return math.log(p / (1 - p))


def _at(stretch: Stretch, fs: float) -> str:
    return f"{stretch.spans[0][0] / fs:.1f} s"


def _in_words(feature: Feature, measured: MainMeasurements | None) -> str:
    value = shown_value(feature.name, feature.value, measured)
    shown = value if math.isfinite(value) else feature.value
    return f"{feature_words(feature.name)} {value_text(replace(feature, value=shown))}"


def as_json(
    explanation: Explanation, spans: Mapping[str, tuple[Span, ...]], n_named: int
) -> dict[str, Any]:
    """The stretches and features that moved it most, as JSON values; log-odds."""
    return {
        "probability": explanation.probability,
        "start": explanation.start,
        "probability_of_start": explanation.usual,
        "stretches": [
            {
                "lead": each.lead,
                "wave": each.wave or f"{each.spans[0][0] / explanation.fs:g} s",
                "log_odds": round(each.log_odds, 4),
            }
            for each in stretches(explanation, spans)[:n_named]
        ],
        "features": [
            {
                "name": each.name,
                "value": round(each.value, 4) if math.isfinite(each.value) else None,
                "unit": each.unit,
                "log_odds": round(each.log_odds, 4),
            }
            for each in moving_features(explanation)[:n_named]
        ],
    }
