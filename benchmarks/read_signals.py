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
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from heart_reader.data import ptbxl
from heart_reader.data.demo.tree import write_demo
from heart_reader.data.signals.own import Source, load_own_pack
from heart_reader.data.signals.pack import load_pack
from heart_reader.data.signals.store import SignalPack
from heart_reader.data.spec import SignalConfig

WFDB_RECORDS = 200  # it is slow, and its speed doesn't depend on how many there are
REPEATS = 5
HALF_A_STEP = 0.00051  # mV

OWN = (  # what is asked of records at 500 Hz: leads, Hz, seconds
    ("resampled to 100 Hz", "all", 100, 10.0),
    ("resampled to 100 Hz, windows of 5 s", "all", 100, 5.0),
    ("resampled to 100 Hz, leads I and II", "I,II", 100, 10.0),
    ("as they are", "all", 500, 10.0),
)

T = TypeVar("T")
Spent = NDArray[np.float64]  # seconds by the clock, seconds of cores


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
        rates |= resampling(root, records, Path(folder))
        print_table(rates, len(records))


def measure(root: Path, records: pd.DataFrame, cache: Path) -> dict[str, Spent]:
    """What a record takes by each way; refuses to compare what isn't equal."""
    names = [str(root / name) for name in records["filename_lr"]]
    few = names[:WFDB_RECORDS]
    by_wfdb, of_wfdb = timed(lambda: np.stack([wfdb.rdsamp(name)[0].T for name in few]))
    pack, of_pack = timed(lambda: load_pack(root, records, cache, "error", False))
    if not np.array_equal(pack.millivolts(slice(0, len(few))), by_wfdb):
        raise SystemExit("the pack and wfdb disagree")
    one_by_one = best(lambda: [pack.millivolts(slice(row, row + 1)) for row in range(len(pack))])
    batches = best(
        lambda: [pack.millivolts(slice(row, row + 128)) for row in range(0, len(pack), 128)]
    )
    opened = best(lambda: load_pack(root, records, cache, "error", False))
    return {
        "wfdb.rdsamp": of_wfdb / len(few),
        "packing, once (every check and the digest)": of_pack / len(pack),
        "from the pack, one by one": one_by_one / len(pack),
        "from the pack, batches of 128": batches / len(pack),
        "opening the pack (is it still what is on the disk?)": opened / len(pack),
    }


def resampling(root: Path, records: pd.DataFrame, folder: Path) -> dict[str, Spent]:
    """What packing own records at 500 Hz takes, for models of several kinds.

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
    took = {}
    for name, leads, fs, seconds in OWN:
        asked = SignalConfig(leads, fs, seconds, "repeat")
        pack, spent = timed(
            lambda asked=asked: load_own_pack(source, asked, folder, "error", False)
        )
        took[f"packing 500 Hz, {name}"] = spent / len(files)
        if (leads, fs, seconds) == ("all", ptbxl.SAMPLING_RATE, 10.0):
            compare(pack, files[:WFDB_RECORDS])
    return took


def compare(pack: SignalPack, files: list[str]) -> None:
    """Refuses a pack that isn't what scipy makes of wfdb's samples, and says how far it is."""
    largest = 0.0
    for row, file in enumerate(files):
        expected = resample_poly(wfdb.rdsamp(file)[0].T, 1, 5, axis=1, padtype="line")
        largest = max(largest, float(np.abs(pack.millivolts([row])[0] - expected).max()))
        if largest > HALF_A_STEP:
            raise SystemExit(f"{file}: the pack and scipy disagree by {largest} mV")
    print(f"resampled: at most {largest * 1000:.3f} uV from scipy's; a step of the pack is 1 uV")


def timed(work: Callable[[], T]) -> tuple[T, Spent]:
    """The result and what it took: seconds by the clock, and of the cores."""
    clock, cores = time.perf_counter(), time.process_time()
    result = work()
    return result, np.array([time.perf_counter() - clock, time.process_time() - cores])


def best(work: Callable[[], object]) -> Spent:
    """What the fastest of some repeats took."""
    return np.min([timed(work)[1] for _ in range(REPEATS)], axis=0)


def print_table(took: dict[str, Spent], n_records: int) -> None:
    """Rates by the clock and by a core's time, which other work doesn't slow; ratios to wfdb's."""
    table = Table(title=f"{n_records} records of 12 leads and 10 s, float64 mV")
    for heading in ("way", "records/s", "a core's records/s", "ratio"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for way, spent in took.items():
        clock, core = 1 / spent
        ratio = took["wfdb.rdsamp"][1] / spent[1]
        table.add_row(way, f"{clock:,.0f}", f"{core:,.0f}", f"{ratio:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
