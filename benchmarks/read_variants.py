"""How far the ways in which a file differs from PTB-XL's move a model's probabilities.

python -m benchmarks.read_variants --data PTBXL [--bundle pretrained/se_resnet1d] [--records 50]

Records of fold 9 are changed, written, and read again through the one door.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb
from numpy.typing import NDArray
from scipy.signal import resample_poly

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.data.formats import read_recording
from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.model_input import seconds_wanted, to_model_input
from heart_reader.data.spec import PTBXL_SIGNAL
from heart_reader.errors import DataError

Signal = NDArray[np.float64]
Written = tuple[Signal, float, tuple[str, ...], str]  # (n_leads, n_times), Hz, leads, unit
EIGHT = (0, 1, 6, 7, 8, 9, 10, 11)
ORDER = tuple(np.random.default_rng(0).permutation(12))


def _as_is(x: Signal) -> Written:
    return x, 100, LEADS, "mV"


def _eight(x: Signal) -> Written:
    return x[list(EIGHT)], 100, tuple(LEADS[k] for k in EIGHT), "mV"


def _permuted(x: Signal) -> Written:
    return x[list(ORDER)], 100, tuple(LEADS[k] for k in ORDER), "mV"


def _columns_swapped(x: Signal) -> Written:
    return x[[0, 1, 6, 3, 4, 5, 2, *range(7, 12)]], 100, LEADS, "mV"


def _arms_reversed(x: Signal) -> Written:
    return np.stack([-x[0], x[2], x[1], x[4], x[3], x[5], *x[6:]]), 100, LEADS, "mV"


def _microvolts(x: Signal) -> Written:
    return x * 1000, 100, LEADS, "uV"


def _at_250(x: Signal) -> Written:
    return resample_poly(x, 5, 2, axis=1, padtype="line"), 250, LEADS, "mV"


def _eleven_seconds(x: Signal) -> Written:
    return np.concatenate([x, x[:, :100]], axis=1), 100, LEADS, "mV"


def _seven_seconds(x: Signal) -> Written:
    return x[:, :700], 100, LEADS, "mV"


def _gap(x: Signal) -> Written:
    y = x.copy()
    y[7, 400:420] = np.nan
    return y, 100, LEADS, "mV"


def _limb_gap(x: Signal) -> Written:
    y = x.copy()
    y[4, 200:800] = np.nan
    return y, 100, LEADS, "mV"


def _flat_lead(x: Signal) -> Written:
    y = x.copy()
    y[9] = 0
    return y, 100, LEADS, "mV"


VARIANTS: dict[str, Callable[[Signal], Written]] = {
    "as it is": _as_is,
    "8 leads": _eight,
    "leads in another order": _permuted,
    "columns III and V1 swapped": _columns_swapped,
    "arms reversed": _arms_reversed,
    "microvolts": _microvolts,
    "250 Hz": _at_250,
    "11 s": _eleven_seconds,
    "7 s": _seven_seconds,
    "0.2 s missing in V2": _gap,
    "6 s missing in aVL": _limb_gap,
    "V4 flat": _flat_lead,
}


def read_back(written: Written, folder: Path) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What a model gets of a variant, and the notes."""
    signal, fs, leads, unit = written
    path = folder / "record.npz"
    np.savez(path, signal=signal, fs=fs, leads=np.array(leads), unit=unit)
    found = read_recording(str(path), seconds=seconds_wanted(PTBXL_SIGNAL))
    made = to_model_input(found, PTBXL_SIGNAL)
    return made.signal, (*found.notes, *made.notes)


def compare(bundle: AnyBundle, signals: list[Signal]) -> None:
    """Prints a row for each variant."""
    print("| variant | mean change | largest | same labels | noted | refused |")
    print("| --- | --- | --- | --- | --- | --- |")
    expected = bundle.predict(np.stack(signals).astype(np.float32))
    with tempfile.TemporaryDirectory() as folder:
        for name, change in VARIANTS.items():
            rows, read, noted, refused = [], [], 0, 0
            for row, signal in enumerate(signals):
                try:
                    made, notes = read_back(change(signal), Path(folder))
                except DataError:
                    refused += 1
                    continue
                rows.append(row)
                read.append(made)
                noted += bool(notes)
            found = bundle.predict(np.stack(read))
            moved = np.abs(found - expected[rows])
            same = (bundle.labels(found) == bundle.labels(expected[rows])).all(axis=1).mean()
            print(f"| {name} | {moved.mean():.4f} | {moved.max():.3f} | {same:.2f} | {noted} | "
                  f"{refused} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a PTB-XL tree")
    parser.add_argument("--bundle", type=Path, default=Path("pretrained/se_resnet1d"))
    parser.add_argument("--records", type=int, default=50, help="of fold 9")
    options = parser.parse_args()
    table = pd.read_csv(options.data / "ptbxl_database.csv")
    names = table[table["strat_fold"] == 9]["filename_lr"].sample(options.records, random_state=0)
    signals = [wfdb.rdsamp(str(options.data / name))[0].T for name in names]
    compare(open_bundle(options.bundle), signals)


if __name__ == "__main__":
    main()
