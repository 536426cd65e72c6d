"""Plain records by the quick way: the same samples, and nothing odd goes unsaid.

Covers: heart_reader.data.signals.plain, heart_reader.data.recordings.resampling,
heart_reader.data.recordings.gaps.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from scipy.signal import resample_poly

from heart_reader.data.ptbxl import LEADS
from heart_reader.data.recordings.gaps import longest_run, runs_of
from heart_reader.data.recordings.resampling import n_resampled, resampled
from heart_reader.data.signals.own import Source, load_own_pack
from heart_reader.data.signals.plain import PlainReader
from heart_reader.data.spec import SignalConfig

TO_100 = SignalConfig("all", 100, 10.0, "repeat")
ODD = {  # name -> what is wrong or to be remarked on
    "uv": "another unit",
    "gap": "a sample without a value",
    "sum": "a checksum that is wrong",
    "cut": "a file that ends early",
    "turned": "a lead turned round",
    "swapped": "limb leads that contradict each other",
    "dropout": "a stretch in which no lead moves",
    "flat": "a flat lead",
    "long": "23 s: the last window reaches back into the one before",
    "counts": "samples that can't be mV",
    "link": "a link that leads out of the folder",
    "fewer": "without augmented leads, which are computed",
}


def ecg(rng: np.random.Generator, seconds: float, fs: int) -> np.ndarray:
    """Steps (n_times, 12) int16 of beats and noise, whose limb leads hang together."""
    t = np.arange(round(seconds * fs)) / fs
    beats = np.exp(-(((t % 0.8) - 0.4) ** 2) / 0.0008)
    chest = [k * beats + 0.02 * rng.normal(size=len(t)) for k in rng.normal(0, 0.8, 6)]
    i, ii = (k * beats + 0.02 * rng.normal(size=len(t)) for k in (0.6, 1.1))
    limbs = [i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2]
    return np.rint(1000 * np.stack([*limbs, *chest], axis=1)).astype("<i2")


def write(
    path: Path, steps: np.ndarray, fs: int, names=LEADS, unit="mV", end=".dat", offset=0, extra=""
) -> None:
    start = f"16+{offset}" if offset else "16"
    lines = [f"{path.name} {len(names)} {fs} {len(steps)}{extra}"]
    for k, name in enumerate(names):
        total = int(steps[:, k].sum(dtype=np.int64)) & 0xFFFF
        lines.append(f"{path.name}{end} {start} 1000/{unit} 16 0 {steps[0, k]} {total} 0 {name}")
    path.with_suffix(".hea").write_text("\n".join([*lines, "#Age: 50"]) + "\n")
    path.with_suffix(end).write_bytes(b"\0" * offset + steps.tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain records of several rates and layouts, and one for each of `ODD`."""
    root, rng = tmp_path_factory.mktemp("records"), np.random.default_rng(0)
    (root / "in").mkdir()
    for k, fs in enumerate((500, 500, 100, 257, 360, 1000)):
        write(root / "in" / f"plain{k}", ecg(rng, 10, fs), fs)
    # As PhysioNet's Challenge of 2020 has them.
    dated = " 05-Feb-2020 11:39:16"
    write(root / "in" / "plain6", ecg(rng, 10, 500), 500, end=".mat", offset=24, extra=dated)
    order = [*LEADS[6:], *(name.upper() for name in LEADS[:6])]
    steps = ecg(rng, 10, 500)
    write(root / "in" / "plain7", np.roll(steps, 6, axis=1), 500, order)
    write(root / "in" / "plain8", ecg(rng, 20, 500), 500)
    for name in ODD:
        write_odd(root / "in" / name, name, ecg(rng, 23 if name == "long" else 10, 500))
    return root / "in"


def write_odd(path: Path, what: str, steps: np.ndarray) -> None:
    names, unit = list(LEADS), "mV"
    if what == "uv":
        unit = "uV"
    if what == "gap":
        steps[100:110, 3] = -32768
    if what == "turned":
        names[0] = "-I"
    if what == "swapped":
        steps[:, [0, 4]] = steps[:, [4, 0]]
    if what == "dropout":
        steps[1000:2000] = steps[1000]
    if what == "flat":
        steps[:, 7] = 5
    if what == "counts":
        steps = (steps.astype(int) * 20).clip(-32000, 32000).astype("<i2")
        unit = "mV"
    if what == "fewer":
        steps, names = np.delete(steps, [2, 3, 4, 5], axis=1), [*names[:2], *names[6:]]
    write(path, steps, 500, names, unit)
    data = path.with_suffix(".dat")
    if what == "counts":
        header = path.with_suffix(".hea")
        header.write_text(header.read_text().replace("1000/mV", "1/mV"))
    if what == "sum":
        data.write_bytes(data.read_bytes()[:-2] + b"\x07\x07")
    if what == "cut":
        data.write_bytes(data.read_bytes()[:-4800])
    if what == "link":
        data.rename(path.parent.parent / "elsewhere.dat")
        data.symlink_to(path.parent.parent / "elsewhere.dat")


def files_of(folder: Path) -> list[str]:
    return [str(path.with_suffix("")) for path in sorted(folder.glob("*.hea"))]


def pack_of(folder: Path, cache: Path, signal: SignalConfig):
    files = files_of(folder)
    index = pd.RangeIndex(1, len(files) + 1)
    source = Source(folder, pd.DataFrame({"file": files, "row": 0}, index=index))
    return load_own_pack(source, signal, cache, "skip", False)


def test_what_is_plain(folder):
    files = files_of(folder)
    found = {
        Path(files[k]).name: len(each) for k, each in PlainReader(TO_100.spec).read(files).items()
    }
    assert found == {f"plain{k}": 1 for k in range(8)} | {"plain8": 2}
    halves = PlainReader(replace(TO_100, seconds=5.0).spec).read(files)
    found = {Path(files[k]).name: len(each) for k, each in halves.items()}
    assert found == {f"plain{k}": 2 for k in range(8)} | {"plain8": 4}


@pytest.mark.parametrize(
    "signal",
    [
        TO_100,
        SignalConfig("II,V5,I", 250, 10.0, "pad"),
        SignalConfig("all", 500, 5.0, "repeat"),
        SignalConfig("all", 100, 5.0, "repeat"),
        SignalConfig("8", 100, 20.0, "refuse"),
    ],
)
def test_a_pack_is_the_same_without_the_quick_way(folder, tmp_path, monkeypatch, signal):
    quick = pack_of(folder, tmp_path / "quick", signal)
    monkeypatch.setattr(PlainReader, "read", lambda self, files: {})
    slow = pack_of(folder, tmp_path / "slow", signal)
    assert (quick.digest, quick.defects, quick.warnings) == (
        slow.digest,
        slow.defects,
        slow.warnings,
    )
    assert len(quick) and quick.defects


def test_samples_are_wfdbs_resampled_by_scipy(folder):
    files = files_of(folder)
    for place, windows in PlainReader(TO_100.spec).read(files).items():
        if len(windows) > 1:
            continue
        record = wfdb.rdrecord(files[place])
        upper = [name.upper() for name in record.sig_name]
        millivolts = record.p_signal[:, [upper.index(lead.upper()) for lead in LEADS]].T
        expected = millivolts
        if record.fs != 100:
            expected = resample_poly(millivolts, 100, record.fs, axis=1, padtype="line")
        np.testing.assert_allclose(
            windows[0], expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max()
        )


@pytest.mark.parametrize("fs,to", [(500, 100), (100, 500), (257, 100), (360, 250), (997, 1000),
                                   (128, 100), (1000, 50), (333.25, 100)])  # fmt: skip
@pytest.mark.parametrize("n_times", [2, 17, 1000, 4321])
def test_resampling_is_scipys(fs, to, n_times):
    from fractions import Fraction

    ratio = Fraction(to / fs).limit_denominator(1000)
    x = np.random.default_rng(n_times).normal(3, 1, (3, n_times)).cumsum(axis=1)
    expected = resample_poly(x, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    found = resampled(x, fs, to)
    assert found.shape[1] == n_resampled(n_times, fs, to)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_a_single_sample_is_resampled_as_scipy_does():
    np.testing.assert_allclose(
        resampled(np.full((2, 1), 3.0), 500, 100),
        resample_poly(np.full((2, 1), 3.0), 1, 5, axis=1, padtype="line"),
    )


def test_the_longest_run():
    true = np.array([True, False, True, True, False])
    assert longest_run(true) == 2 and runs_of(true) == [(0, 1), (2, 4)]
    assert longest_run(~true[:1]) == 0 and longest_run(np.ones(3, bool)) == 3
