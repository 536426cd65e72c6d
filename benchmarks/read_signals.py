"""Records per second: wfdb.rdsamp, packing, and reading the pack; all as float64 mV arrays.

python -m benchmarks.read_signals [--data PTB-XL-TREE] [--records N]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import wfdb
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from heart_reader.data import ptbxl
from heart_reader.data.demo.tree import write_demo
from heart_reader.data.signals.own import Source, load_own_pack
from heart_reader.data.signals.pack import load_pack
from heart_reader.data.spec import SignalConfig

WFDB_RECORDS = 200  # it is slow, and its speed doesn't depend on how many there are
REPEATS = 5
HALF_A_STEP = 0.00051  # mV

T = TypeVar("T")


def main() -> None:
    """Prints the table; the folder for packs and demo data goes with the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a PTB-XL tree (default: a demo tree)")
    parser.add_argument("--records", type=int, default=2000, help="how many at most")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.data or Path(folder) / "demo"
        if arguments.data is None:
            write_demo(root, 800, seed=0)
        metadata = ptbxl.load_metadata(root)
        folds = (*ptbxl.TRAIN_FOLDS, ptbxl.VALIDATION_FOLD)
        records = ptbxl.select_folds(metadata, folds).head(arguments.records)
        rates = measure(root, records, Path(folder))
        rates["packing 500 Hz, resampled to 100 Hz"] = resampling(root, records, Path(folder))
        print_table(rates, len(records))


def measure(root: Path, records: pd.DataFrame, cache: Path) -> dict[str, float]:
    """Records per second of each way; refuses to compare what isn't equal."""
    names = [str(root / name) for name in records["filename_lr"]]
    few = names[:WFDB_RECORDS]
    by_wfdb, wfdb_seconds = timed(lambda: np.stack([wfdb.rdsamp(name)[0].T for name in few]))
    pack, pack_seconds = timed(lambda: load_pack(root, records, cache, "error", False))
    if not np.array_equal(pack.millivolts(slice(0, len(few))), by_wfdb):
        raise SystemExit("the pack and wfdb disagree")
    one_by_one = best(lambda: [pack.millivolts(slice(row, row + 1)) for row in range(len(pack))])
    batches = best(
        lambda: [pack.millivolts(slice(row, row + 128)) for row in range(0, len(pack), 128)]
    )
    opened = best(lambda: load_pack(root, records, cache, "error", False))
    return {
        "wfdb.rdsamp": len(few) / wfdb_seconds,
        "packing, once (every check and the digest)": len(pack) / pack_seconds,
        "from the pack, one by one": len(pack) / one_by_one,
        "from the pack, batches of 128": len(pack) / batches,
        "opening the pack (is it still what is on the disk?)": len(pack) / opened,
    }


def resampling(root: Path, records: pd.DataFrame, folder: Path) -> float:
    """Records per second of packing own records at 500 Hz for a model at 100 Hz, once.

    The records are the tree's own, resampled up; what is packed is held against scipy's
    resampling of what wfdb reads.
    """
    files = []
    for ecg_id, about in records.iterrows():
        files.append(str(folder / f"own{ecg_id}"))
        signal = wfdb.rdsamp(str(root / about["filename_lr"]))[0].T
        wfdb.wrsamp(
            f"own{ecg_id}",
            fs=500,
            units=["mV"] * len(signal),
            sig_name=list(ptbxl.LEADS),
            p_signal=resample_poly(signal, 5, 1, axis=1, padtype="line").T,
            fmt=["16"] * len(signal),
            adc_gain=[1000] * len(signal),
            baseline=[0] * len(signal),
            write_dir=str(folder),
        )
    source = Source(folder, pd.DataFrame({"file": files, "row": 0}, index=records.index))
    signal_config = SignalConfig("all", ptbxl.SAMPLING_RATE, 10.0, "repeat")
    pack, seconds = timed(lambda: load_own_pack(source, signal_config, folder, "error", False))
    for row, file in enumerate(files[:WFDB_RECORDS]):
        expected = resample_poly(wfdb.rdsamp(file)[0].T, 1, 5, axis=1, padtype="line")
        if np.abs(pack.millivolts([row])[0] - expected).max() > HALF_A_STEP:
            raise SystemExit(f"{file}: the pack and scipy disagree")
    return len(pack) / seconds


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def best(work: Callable[[], object]) -> float:
    """The seconds of the fastest of some repeats."""
    return min(timed(work)[1] for _ in range(REPEATS))


def print_table(rates: dict[str, float], n_records: int) -> None:
    """Rates, and their ratios to wfdb's."""
    table = Table(title=f"{n_records} records of 12 leads x 1000 samples, float64 mV")
    for heading in ("way", "records/s", "ratio"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for way, rate in rates.items():
        table.add_row(way, f"{rate:,.0f}", f"{rate / rates['wfdb.rdsamp']:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
