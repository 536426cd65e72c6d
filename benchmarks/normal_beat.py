"""Makes heart_reader/data/normal/beat.csv: the mean normal beat of PTB-XL's training folds.

    python -m benchmarks.normal_beat --data PTBXL [--records 1500]

Records of folds 1 to 8 with NORM at a likelihood of 100 and sinus rhythm, at 50 to 100 /min.
Before their median beats are averaged, each is warped in time so that its edges lie where they do
on average: waves of different widths would else blur each other.
"""

import argparse

import numpy as np

from heart_reader.config.load import load_config
from heart_reader.data.dataset import Records, load_development
from heart_reader.data.delineation import Delineation, delineate
from heart_reader.data.delineation.beats import BEFORE
from heart_reader.data.normal.ecg import BEAT, STEP_MS
from heart_reader.data.ptbxl import LEADS, TRAIN_FOLDS
from heart_reader.files import cache_folder

SEED = 0
EDGES = ("p_on", "p_off", "qrs_on", "qrs_off", "t_peak", "t_off")
RATES = (50.0, 100.0)  # beats/min
HEADER = """\
# The mean normal beat of {n} ECGs of PTB-XL, folds 1 to 8: sinus rhythm, NORM at a likelihood
# of 100. Made by benchmarks/normal_beat.py from PTB-XL 1.0.3 (Wagner et al., 2022,
# https://doi.org/10.13026/kfzx-aw45), which is licensed under CC BY 4.0
# (https://creativecommons.org/licenses/by/4.0/). Changed: delineated, warped and averaged. This
# table is under CC BY 4.0 as well.
# Mean RR interval {rr:.0f} ms. A row is {step} ms, in microvolts; time is from the R peak.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--records", type=int, default=1500)
    options = parser.parse_args()
    config = load_config("default", {"data": options.data, "features": "none"})
    records = load_development(config.data, config.task, config.features, cache_folder())
    rows = np.random.default_rng(SEED).permutation(normal_rows(records))[: options.records]
    found = delineate(records.millivolts(np.sort(rows)), records.pack.fs)
    mean, rr, n = mean_beat(found)
    write(mean, rr, n, found.fs)
    print(f"{BEAT}: {n} ECGs, RR {rr:.0f} ms")


def normal_rows(records: Records) -> np.ndarray:
    """Whose reader was sure of a normal ECG in sinus rhythm."""
    rows = records.rows(TRAIN_FOLDS)
    codes = records.metadata["scp_codes"].iloc[rows]
    sure = codes.map(lambda found: found.get("NORM", 0) >= 100 and "SR" in found)
    return rows[sure.to_numpy(bool)]


def mean_beat(found: Delineation) -> tuple[np.ndarray, float, int]:
    """(n_leads, w) mV of the warped beats' mean, their mean RR in ms, and how many they are."""
    rr = np.array([np.diff(peaks).mean() * 1000 if len(peaks) > 2 else np.nan
                   for peaks in found.r_peaks])  # fmt: skip
    edges = np.stack([getattr(found.fiducials, name) for name in EDGES], axis=1)  # (n, edges)
    good = np.isfinite(edges).all(axis=1) & (np.diff(edges, axis=1) > 0).all(axis=1)
    good &= found.usable.all(axis=1) & (rr > 60000 / RATES[1]) & (rr < 60000 / RATES[0])
    usual = edges[good].mean(axis=0)
    width = found.median_beats.shape[2]
    times = np.arange(width)
    beats = []
    for beat, own in zip(found.median_beats[good], edges[good], strict=True):
        ends = [0, *own, width - 1], [0, *usual, width - 1]
        at = np.interp(times, ends[1], ends[0])
        beats.append([np.interp(at, times, lead) for lead in beat])
    # A fast heart has no samples late after the R peak: they belong to the next beat.
    return np.nanmean(beats, axis=0), float(rr[good].mean()), int(good.sum())


def write(mean: np.ndarray, rr: float, n: int, fs: int) -> None:
    step = round(STEP_MS * fs / 1000)
    microvolts = np.round(mean[:, ::step].T * 1000).astype(int)  # (rows, n_leads)
    lines = [",".join(("ms", *LEADS))]
    for place, row in enumerate(microvolts):
        lines.append(f"{round((place * step - BEFORE) * 1000 / fs)},{','.join(map(str, row))}")
    text = HEADER.format(n=n, rr=rr, step=STEP_MS) + "\n".join(lines) + "\n"
    BEAT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
