"""Run by ``delineation.py`` in an environment of its own: ECGdeli's measurements as a CSV.

    python ecgdeli_reference.py SIGNALS.npz OUT.csv

SIGNALS.npz holds ``ecg_id`` (n,), ``signals`` (n, 12, n_times) mV, and ``fs`` Hz. ECGdeli is GPL:
nothing in the package imports it, or this file.
"""

import argparse
import csv
import warnings
from functools import cache

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
WAVES = ("R_Amp", "S_Amp", "T_Amp", "T_Amp_own_peak")


@cache
def columns() -> dict[str, int]:
    """Where a fiducial stands in ECGdeli's tables."""
    import ecgdeli  # here and below: --help needs no environment of ECGdeli's

    return {name: at for at, name in enumerate(ecgdeli.FPT_COLUMNS)}


def measure(signal: np.ndarray, fs: float) -> dict[str, float]:
    """Medians over beats of one record (12, n_times)."""
    import ecgdeli

    filtered = ecgdeli.filter_ecg(signal.T, fs=fs)  # (n_times, 12)
    found = ecgdeli.annotate(filtered, fs=fs)
    intervals = found.intervals()
    row = {
        "RR": np.nanmedian(intervals.rr),
        "QRS": np.nanmedian(intervals.qrs_duration),
        "PR": np.nanmedian(intervals.pq),
        "QT": np.nanmedian(intervals.qt),
    }
    beats = np.where(found.consensus.valid, found.consensus.positions, -1)
    amplitudes = {
        "R_Amp": extremes(filtered, beats, "QRS_on", "QRS_off", lambda x: x.max(axis=0)),
        "S_Amp": extremes(filtered, beats, "QRS_on", "QRS_off", lambda x: x.min(axis=0)),
        "T_Amp": extremes(filtered, beats, "T_on", "T_off", largest),
        "T_Amp_own_peak": own_t_peaks(filtered, found),
    }
    for wave, values in amplitudes.items():
        row |= {f"{wave}_{lead}": value for lead, value in zip(LEADS, values, strict=True)}
    row |= {
        f"{name}_samples": usual_offset(beats, name) for name in ("QRS_on", "QRS_off", "T_off")
    }
    return row


def extremes(filtered, beats, start, stop, which) -> np.ndarray:
    """(12,): of the signal between two consensus fiducials, the median over beats."""
    spans = beats[:, [columns()[start], columns()[stop]]]
    spans = spans[(spans[:, 0] >= 0) & (spans[:, 1] > spans[:, 0])]
    values = [which(filtered[a : b + 1]) for a, b in spans if b < len(filtered)]
    return np.median(values, axis=0) if values else np.full(12, np.nan)


def largest(x: np.ndarray) -> np.ndarray:
    """(12,): the value furthest from 0, with its sign."""
    return x[np.abs(x).argmax(axis=0), np.arange(x.shape[1])]


def own_t_peaks(filtered, found) -> np.ndarray:
    """(12,): the signal where ECGdeli puts each lead's own T peak."""
    at = columns()["T_peak"]
    return np.array(
        [
            np.nanmedian(lead.amplitudes(filtered[:, i])[:, at])
            for i, lead in enumerate(found.leads)
        ]
    )


def usual_offset(beats: np.ndarray, name: str) -> float:
    """Samples from the consensus R peak, the median over beats."""
    both = beats[:, [columns()["R"], columns()[name]]]
    both = both[(both >= 0).all(axis=1)]
    return float(np.median(both[:, 1] - both[:, 0])) if len(both) else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("signals", help="SIGNALS.npz")
    parser.add_argument("out", help="OUT.csv")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    data = np.load(options.signals)
    with open(options.out, "w", newline="") as file:
        writer = None
        for ecg_id, signal in zip(data["ecg_id"], data["signals"], strict=True):
            row = {"ecg_id": int(ecg_id)} | measure(signal, float(data["fs"]))
            writer = writer or csv.DictWriter(file, row)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    main()
