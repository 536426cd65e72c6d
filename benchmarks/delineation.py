"""Our delineation against ECGdeli's, on the first 300 records of fold 9 of PTB-XL.

    python benchmarks/delineation.py --data PTB-XL-TREE [--reference CSV] [--sheets FOLDER]

ECGdeli (GPL, https://pypi.org/project/ecgdeli) made PTB-XL+'s columns. Without --reference it is
installed into an environment of its own in the cache, and run on the records resampled to 500 Hz
(a minute or two). What `predict` prints is measured next to the features. ECGdeli's R, S and T are
the extremes of its filtered signal between its consensus fiducials. The last row is for its own T
peaks, which often lie on the foot of the wave: --sheets draws the records that differ most. The
exit code is 1 where a bar is missed.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: records a second on one core

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from heart_reader.data.delineation import FEATURE_NAMES, delineate, extract, main_measurements
from heart_reader.data.ptbxl import VALIDATION_FOLD, load_metadata, select_folds
from heart_reader.evaluation.sheets.beat import beat_sheet, mark_extra
from heart_reader.files import cache_folder

ECGDELI = "ecgdeli==1.0.0"
REFERENCE_FS = 500
INTERVALS = {  # column of the reference: our feature, largest median absolute difference in ms
    "RR": ("RR_Mean_Global", 10),
    "QRS": ("QRS_Dur_Global", 12),
    "PR": ("PR_Int_Global", 16),
    "QT": ("QT_Int_Global", 24),
}
PRINTED = {"PR": "pr_ms", "QRS": "qrs_ms", "QT": "qt_ms"}  # of `predict`, without limits
AMPLITUDES = {"R_Amp": 0.97, "S_Amp": 0.97, "T_Amp": 0.93}  # least correlation
COMPARED_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
LEAST_SPEED = 100  # records a second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--fold", type=int, default=VALIDATION_FOLD)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args()
    chosen = select_folds(load_metadata(options.data), (options.fold,)).iloc[: options.records]
    read = [wfdb.rdsamp(str(options.data / name)) for name in chosen["filename_lr"]]
    signals = np.stack([signal.T for signal, _ in read]).astype(np.float32)  # (n, 12, n_times)
    fs = int(read[0][1]["fs"])
    path = options.reference or make_reference(chosen.index.to_numpy(), signals, fs)
    reference = pd.read_csv(path, index_col="ecg_id").reindex(chosen.index)
    ours, speed = timed_features(signals, fs)
    ours.index = chosen.index
    passed = print_intervals(ours, reference) & print_amplitudes(ours, reference)
    print_printed(ours, printed_measurements(signals, fs, chosen.index), reference)
    Console().print(f"{speed:.0f} records/s on one core (at least {LEAST_SPEED})")
    if options.sheets:
        draw_sheets(options.sheets, signals, fs, ours, reference)
    return 0 if passed and speed >= LEAST_SPEED else 1


def make_reference(ecg_ids: np.ndarray, signals: np.ndarray, fs: int) -> Path:
    """ECGdeli's CSV for these records, from the cache where it is there."""
    folder = cache_folder() / "ecgdeli"
    out = folder / f"{ecg_ids[0]}-{ecg_ids[-1]}-{len(ecg_ids)}.csv"
    if out.exists():
        return out
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", ECGDELI], check=True)
    resampled = resample_poly(signals.astype(float), REFERENCE_FS, fs, axis=2)
    np.savez(folder / "signals.npz", ecg_id=ecg_ids, signals=resampled, fs=REFERENCE_FS)
    worker = Path(__file__).with_name("ecgdeli_reference.py")
    unfinished = out.with_suffix(".part")
    arguments = [str(python), str(worker), str(folder / "signals.npz"), str(unfinished)]
    subprocess.run(arguments, check=True)
    unfinished.rename(out)
    return out


def timed_features(signals: np.ndarray, fs: int) -> tuple[pd.DataFrame, float]:
    extract(signals[:32], fs)  # warm
    start = time.perf_counter()
    features = extract(signals, fs)
    seconds = time.perf_counter() - start
    return pd.DataFrame(features, columns=list(FEATURE_NAMES)), len(signals) / seconds


def print_intervals(ours: pd.DataFrame, reference: pd.DataFrame) -> bool:
    table = Table("ms", "ECGdeli", "ours", "bias", "median |difference|", "limit", "records")
    passed = True
    for column, (feature, limit) in INTERVALS.items():
        difference = ours[feature] - reference[column]
        typical = difference.abs().median()
        passed &= bool(typical <= limit)
        medians = (reference[column].median(), ours[feature].median(), difference.median())
        numbers = [f"{value:.0f}" for value in medians]
        table.add_row(column, *numbers, f"{typical:.1f}", str(limit), str(difference.count()))
    Console().print(table)
    return passed


def printed_measurements(signals: np.ndarray, fs: int, ecg_ids: pd.Index) -> pd.DataFrame:
    """What `predict` prints of each record."""
    rows = [vars(each) for each in main_measurements(delineate(signals, fs))]
    return pd.DataFrame(rows, index=ecg_ids)


def print_printed(ours: pd.DataFrame, printed: pd.DataFrame, reference: pd.DataFrame) -> None:
    """Bias and spread of the features and of what is printed, side by side.

    Printed intervals follow electrocardiographs, ECGdeli and the features PTB-XL+'s wider feet.
    """
    table = Table("ms against ECGdeli", "median", "bias", "robust SD", "SD", "records")
    for column, name in PRINTED.items():
        both = (("feature", ours[INTERVALS[column][0]]), ("printed", printed[name]))
        for what, values in both:
            difference = (values - reference[column]).dropna()
            bias = difference.median()
            robust = 1.4826 * (difference - bias).abs().median()
            numbers = [f"{x:.0f}" for x in (values.median(), bias, robust, difference.std())]
            table.add_row(f"{column} {what}", *numbers, str(len(difference)))
    Console().print(table)


def print_amplitudes(ours: pd.DataFrame, reference: pd.DataFrame) -> bool:
    table = Table("correlation", *COMPARED_LEADS, "least")
    passed = True
    for wave, least in AMPLITUDES.items():
        row = [ours[f"{wave}_{lead}"].corr(reference[f"{wave}_{lead}"]) for lead in COMPARED_LEADS]
        passed &= min(row) >= least
        table.add_row(wave, *(f"{value:.3f}" for value in row), f"{least}")
    if "T_Amp_own_peak_I" in reference:
        own = "T_Amp_own_peak"
        row = [ours[f"T_Amp_{lead}"].corr(reference[f"{own}_{lead}"]) for lead in COMPARED_LEADS]
        table.add_row("T at ECGdeli's peak", *(f"{value:.3f}" for value in row), "")
    Console(width=110).print(table)
    return passed


def draw_sheets(
    folder: Path, signals: np.ndarray, fs: int, ours: pd.DataFrame, reference: pd.DataFrame
) -> None:
    """The records whose QRS width or T height in V2 differs most, with the edges of both."""
    folder.mkdir(parents=True, exist_ok=True)
    width = (ours["QRS_Dur_Global"] - reference["QRS"]).abs()
    height = (ours["T_Amp_V2"] - reference["T_Amp_own_peak_V2"]).abs()
    for ecg_id in [*width.nlargest(3).index, *height.nlargest(3).index]:
        at = ours.index.get_loc(ecg_id)
        found = delineate(signals[at : at + 1], fs)
        theirs = reference.loc[ecg_id]
        title = (
            f"record {ecg_id}: ECGdeli (dashed) QRS {theirs['QRS']:.0f} ms, "
            f"T in V2 {theirs['T_Amp_own_peak_V2']:.2f} mV; "
            f"ours {ours.loc[ecg_id, 'T_Amp_V2']:.2f} mV"
        )
        figure = beat_sheet(found, 0, title)
        names = ("QRS_on_samples", "QRS_off_samples", "T_off_samples")
        mark_extra(figure, [theirs[name] / REFERENCE_FS for name in names])
        figure.savefig(folder / f"{ecg_id}.png", dpi=80)


if __name__ == "__main__":
    sys.exit(main())
