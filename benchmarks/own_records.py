"""PTB-XL as somebody's own data: WFDB records at 500 Hz with SNOMED codes in their headers.

    python -m benchmarks.own_records --data PTBXL --folder own [--records 2000] [--fs 500]

The records of folds 1 to 9 are resampled up, their SCP statements become nine codes of PhysioNet's
Challenges. The folder gets a manifest with PTB-XL's patients and folds, ``patients.csv``; what
`prepare --data FOLDER --write records.csv` makes of the headers alone has neither.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import resample_poly

from heart_reader.config.load import load_config
from heart_reader.data.dataset import FeaturesConfig, load_development
from heart_reader.data.ptbxl import LEADS
from heart_reader.files import cache_folder

# Statement of PTB-XL -> SNOMED CT, as the Challenge of 2020 translated them.
SNOMED = {
    "SR": "426783006", "AFIB": "164889003", "STACH": "427084000", "SBRAD": "426177001",
    "SARRH": "427393009", "1AVB": "270492004", "CRBBB": "713427006", "CLBBB": "733534002",
    "PVC": "427172004",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a PTB-XL tree, or demo")
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--records", type=int, help="of each fold; all")
    parser.add_argument("--fs", type=int, default=500)
    options = parser.parse_args()
    config = load_config(
        "default", {"data": options.data, "task": "all", "data.records_per_fold": options.records}
    )
    records = load_development(config.data, config.task, FeaturesConfig("none"), cache_folder())
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for row, (ecg_id, about) in enumerate(records.metadata.iterrows()):
        codes = [code for scp, code in SNOMED.items() if scp in about["scp_codes"]]
        signal = records.millivolts(np.array([row]))[0]  # (n_leads, n_times)
        name = f"JS{int(ecg_id):05d}"
        write(options.folder / name, signal, records.spec.fs, options.fs, codes, about)
        rows.append((name, name, int(about["patient_id"]), int(about["strat_fold"]),
                     about["age"], about["sex"], ";".join(codes)))  # fmt: skip
    columns = ["file", "record_id", "patient_id", "fold", "age", "sex", "labels"]
    pd.DataFrame(rows, columns=columns).to_csv(options.folder / "patients.csv", index=False)
    print(f"{len(rows)} records at {options.fs} Hz in {options.folder}")


def write(
    path: Path, signal: np.ndarray, fs: int, to: int, codes: list[str], about: "pd.Series[str]"
) -> None:
    """One record, format 16, 1000 steps a mV."""
    up = resample_poly(signal, to, fs, axis=1, padtype="line") if to != fs else signal
    steps = np.rint(np.clip(up, -32, 32) * 1000).astype("<i2").T  # (n_times, n_leads)
    path.with_suffix(".dat").write_bytes(np.ascontiguousarray(steps).tobytes())
    sums = steps.sum(axis=0, dtype=np.int64) & 0xFFFF
    lines = [f"{path.name} {len(LEADS)} {to} {len(steps)}"]
    lines += [
        f"{path.name}.dat 16 1000/mV 16 0 {steps[0, k]} {sums[k]} 0 {lead}"
        for k, lead in enumerate(LEADS)
    ]
    sex = {0.0: "Male", 1.0: "Female"}.get(float(about["sex"]), "Unknown")
    lines += [f"#Age: {about['age']:g}", f"#Sex: {sex}", f"#Dx: {','.join(codes) or 'Unknown'}"]
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
