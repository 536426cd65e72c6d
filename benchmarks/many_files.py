"""Records a second, peak memory, and the table after a kill, of `predict --out` on many files.

python -m benchmarks.many_files --data PTBXL [--bundle pretrained/se_resnet1d] [--records 1000]

Records of folds 1 to 9 are read from their files. The second call is killed with SIGKILL when
half of the files are done, and started again; the two tables must be the same.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

EVERY = 1.0  # s between two looks: each walks through all pages of all processes


def words_of(bundle: Path, names: Path, out: Path) -> list[str]:
    words = ["-m", "heart_reader.predict", "--model", str(bundle), str(names), "--out", str(out)]
    return [sys.executable, *words]


def memory_of(pid: int) -> int:
    """Bytes of a process and those that it started: what is shared counted once, in part each."""
    total = 0
    try:
        here = psutil.Process(pid)
        for each in (here, *here.children(recursive=True)):
            total += each.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return total


def cpu_of(usage: object) -> float:
    return float(usage.children_user + usage.children_system)  # type: ignore[attr-defined]


def whole(bundle: Path, names: Path, out: Path) -> dict[str, float]:
    """A call from its start to its end: s, s of all cores, and peak MB."""
    begun, cpu, peak = time.perf_counter(), os.times(), 0
    process = subprocess.Popen(words_of(bundle, names, out))
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        time.sleep(EVERY)
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": cpu_of(os.times()) - cpu_of(cpu),
        "peak": peak / 2**20,
    }


def n_done(journal: Path) -> int:
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


def killed(bundle: Path, names: Path, out: Path, n_chunks: int) -> int:
    """Starts a call, kills it at half of its chunks, and gives how many were done."""
    journal = out.with_name(f".{out.name}.begun")
    process = subprocess.Popen(words_of(bundle, names, out))
    while process.poll() is None and n_done(journal) < n_chunks / 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return n_done(journal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a PTB-XL tree")
    parser.add_argument("--bundle", type=Path, default=Path("pretrained/se_resnet1d"))
    parser.add_argument("--records", type=int, default=1000)
    options = parser.parse_args()
    table = pd.read_csv(options.data / "ptbxl_database.csv")
    there = [options.data / name for name in table[table["strat_fold"] <= 9]["filename_lr"]]
    files = [path for path in there if path.with_suffix(".hea").exists()][: options.records]
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "files.csv"
        names.write_text("\n".join(["path", *(str(path.resolve()) for path in files)]) + "\n")
        first, second = Path(folder) / "first.parquet", Path(folder) / "second.parquet"
        took = whole(options.bundle, names, first)
        n, seconds, cpu, peak = len(files), took["seconds"], took["cpu"], took["peak"]
        print(f"{n:,} files: {seconds:.1f} s, {n / seconds:.0f}/s; {cpu:.1f} s of the cores, "
              f"{n / cpu:.0f}/s a core; peak {peak:.0f} MB; load {os.getloadavg()[0]:.1f}",
              flush=True)  # fmt: skip
        done = killed(options.bundle, names, second, len(files) // 32)
        subprocess.run(words_of(options.bundle, names, second), check=True)
        same = pd.read_parquet(first).equals(pd.read_parquet(second))
        print(f"killed after {done} chunks of 32 and started again: equal {same}")


if __name__ == "__main__":
    main()
