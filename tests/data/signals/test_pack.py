"""Packs against wfdb, bit for bit, and files that are damaged.

Covers: heart_reader.data.signals.wfdb_records.
"""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from heart_reader.data import ptbxl
from heart_reader.data.signals import pack as signals
from heart_reader.data.signals.wfdb_header import HeaderParser
from heart_reader.errors import DataError
from tests.data.trees import copy_tree, rewrite_record, small_demo


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_demo(tmp_path_factory.mktemp("signals"))


@pytest.fixture
def broken(tree: Path, tmp_path: Path) -> Path:
    return copy_tree(tree, tmp_path / "broken")


def pack(root: Path, cache: Path, on_defect: signals.OnDefect = "error") -> signals.SignalPack:
    return signals.load_pack(root, ptbxl.load_metadata(root), cache, on_defect, progress=False)


def name_of(root: Path, ecg_id: int) -> str:
    return str(ptbxl.load_metadata(root).loc[ecg_id, "filename_lr"])


def digital(root: Path, name: str) -> np.ndarray:
    samples: np.ndarray = wfdb.rdrecord(str(root / name), physical=False).d_signal
    return samples


def assert_equal_to_wfdb(root: Path, metadata: pd.DataFrame, found: signals.SignalPack) -> None:
    assert found.ecg_id.tolist() == metadata.index.tolist()
    millivolts = found.millivolts(slice(None))
    for row, name in enumerate(metadata["filename_lr"]):
        expected, fields = wfdb.rdsamp(str(root / name))
        assert np.array_equal(millivolts[row], expected.T, equal_nan=True)
        assert fields["fs"] == found.fs


def test_equal_to_wfdb_bit_for_bit(tree: Path, tmp_path: Path) -> None:
    assert_equal_to_wfdb(tree, ptbxl.load_metadata(tree), pack(tree, tmp_path))


@pytest.mark.real
def test_real_records_equal_wfdb_bit_for_bit(real_ptbxl: Path, tmp_path: Path) -> None:
    metadata = ptbxl.load_metadata(real_ptbxl)
    found = signals.load_pack(real_ptbxl, metadata, tmp_path, "error", progress=False)
    assert_equal_to_wfdb(real_ptbxl, metadata, found)


@pytest.mark.parametrize(
    "changes",
    [
        {"fmt": ["212"] * 12},
        {"fmt": ["24"] * 12},
        {"fmt": ["32"] * 12},
        {"adc_gain": [200.0, 333.25] * 6, "baseline": [17, -250] * 6},
    ],
    ids=["212", "24", "32", "gains"],
)
def test_other_formats_and_gains(broken: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    name = name_of(broken, 5)
    samples = np.clip(digital(broken, name), -2000, 2000).astype(np.int64)
    rewrite_record(broken, name, samples, **changes)
    assert_equal_to_wfdb(broken, ptbxl.load_metadata(broken), pack(broken, tmp_path / "cache"))


def test_record_in_two_signal_files(broken: Path, tmp_path: Path) -> None:
    name = name_of(broken, 5)
    samples = digital(broken, name).astype("<i2")
    header = broken / f"{name}.hea"
    stem = Path(name).name
    lines = header.read_text().splitlines()
    lines[1:7] = [line.replace(f"{stem}.dat", f"{stem}a.dat") for line in lines[1:7]]
    lines[7:] = [line.replace(f"{stem}.dat", f"{stem}b.dat") for line in lines[7:]]
    header.write_text("\n".join(lines) + "\n")
    (broken / f"{name}.dat").unlink()
    (broken / f"{name}a.dat").write_bytes(samples[:, :6].tobytes())
    (broken / f"{name}b.dat").write_bytes(samples[:, 6:].tobytes())
    before = pack(broken, tmp_path / "cache")
    assert_equal_to_wfdb(broken, ptbxl.load_metadata(broken), before)
    (broken / f"{name}b.dat").write_bytes(samples[:-1, 6:].tobytes())  # now it is noticed, too
    with pytest.raises(DataError, match="record 5,"):
        pack(broken, tmp_path / "cache")


def test_microvolts_become_millivolts(broken: Path, tmp_path: Path) -> None:
    name = name_of(broken, 5)
    samples = digital(broken, name).astype(np.int64)
    rewrite_record(broken, name, samples, units=["uV"] * 12, adc_gain=[1.0] * 12)
    found = pack(broken, tmp_path / "cache").millivolts([4])[0]
    np.testing.assert_allclose(found, wfdb.rdsamp(str(broken / name))[0].T / 1000, rtol=1e-15)


def test_invalid_samples_are_nan_in_millivolts_as_in_wfdb(broken: Path) -> None:
    name = name_of(broken, 5)
    samples = digital(broken, name).astype(np.int64)
    samples[100:103, 2] = -32768
    rewrite_record(broken, name, samples)
    found = signals.SignalPack(
        ecg_id=np.array([5]),
        signals=samples[None].astype(np.int16),
        gain=np.full((1, 12), 1000.0),
        baseline=np.zeros((1, 12)),
        fs=100,
        digest="",
        defects={},
        warnings={},
    ).millivolts([0])[0]
    expected = wfdb.rdsamp(str(broken / name))[0].T
    assert np.isnan(expected).sum() == 3
    assert np.array_equal(found, expected, equal_nan=True)


# ---------------------------------------------------------------- defects


def flip_sample(root: Path, name: str) -> None:
    path = root / f"{name}.dat"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)


def flip_first_sample(root: Path, name: str) -> None:
    path = root / f"{name}.dat"
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def cut(root: Path, name: str) -> None:
    os.truncate(root / f"{name}.dat", 12000)


def lengthen(root: Path, name: str) -> None:
    with open(root / f"{name}.dat", "ab") as file:
        file.write(b"\0" * 24)


def edit_header(root: Path, name: str, old: str, new: str) -> None:
    path = root / f"{name}.hea"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def nan_samples(root: Path, name: str) -> None:
    samples = digital(root, name).astype(np.int64)
    samples[7:9, 3] = -32768
    rewrite_record(root, name, samples)


def eleven_leads(root: Path, name: str) -> None:
    rewrite_record(root, name, digital(root, name)[:, :11].astype(np.int64))


DEFECTS = {
    "flipped": (flip_sample, "the checksum of lead aVL is"),
    "first": (flip_first_sample, "the first sample of lead I is"),
    "cut": (cut, "cut short: 12000 bytes where 1000 samples of 12 leads take 24000"),
    "long": (lengthen, "disagrees with its header: 24024 bytes"),
    "no samples": (lambda r, n: (r / f"{n}.dat").unlink(), "wfdb can't read|.dat is missing"),
    "no header": (lambda r, n: (r / f"{n}.hea").unlink(), ".hea is missing"),
    "empty header": (lambda r, n: (r / f"{n}.hea").write_text(""), ".hea is empty"),
    "bad header": (lambda r, n: (r / f"{n}.hea").write_text("?"), "wfdb can't read it"),
    "binary": (lambda r, n: (r / f"{n}.hea").write_bytes(b"\xff\xfe"), "can't be read"),
    "rate": (lambda r, n: edit_header(r, n, "12 100 1000", "12 500 1000"), "500 Hz"),
    "length": (lambda r, n: edit_header(r, n, "12 100 1000", "12 100 999"), "says 999 samples"),
    "order": (lambda r, n: edit_header(r, n, " V2\n", " V9\n"), "'V9' and must be 'V2'"),
    "nan": (nan_samples, "lead aVR has 2 samples without a value"),
    "leads": (eleven_leads, "its header has 11 leads"),
    "unit": (lambda r, n: edit_header(r, n, "/mV", "/mmHg"), "its unit is 'mmHg'"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_is_named_or_skipped(broken: Path, tmp_path: Path, defect: str) -> None:
    break_it, words = DEFECTS[defect]
    name = name_of(broken, 5)
    break_it(broken, name)
    with pytest.raises(DataError) as error:
        pack(broken, tmp_path / "cache")
    assert f"record 5, {broken / name}: " in str(error.value)
    assert any(word in str(error.value) for word in words.split("|"))
    assert "--download true" in str(error.value)
    assert "\n" not in str(error.value)
    skipping = pack(broken, tmp_path / "cache", "skip")
    assert list(skipping.defects) == [5]
    assert skipping.ecg_id.tolist() == [i for i in range(1, 41) if i != 5]
    healthy = ptbxl.load_metadata(broken).drop(index=5)
    assert_equal_to_wfdb(broken, healthy, skipping)
    assert signals.verify(broken, ptbxl.load_metadata(broken), False)[0] == skipping.defects


def test_swapped_leads_are_called_wrong_order(broken: Path, tmp_path: Path) -> None:
    name = name_of(broken, 5)
    for old, new in ((" V1\n", " V?\n"), (" V2\n", " V1\n"), (" V?\n", " V2\n")):
        edit_header(broken, name, old, new)
    with pytest.raises(DataError, match=r"wrong lead order.* lead 7 is 'V2' and must be 'V1'"):
        pack(broken, tmp_path / "cache")


def test_defects_are_counted(broken: Path, tmp_path: Path) -> None:
    for ecg_id in (5, 9, 30):
        cut(broken, name_of(broken, ecg_id))
    with pytest.raises(DataError, match=r"record 5, .*\(3 records have a defect\)"):
        pack(broken, tmp_path / "cache")


def test_flat_lead_is_a_warning(broken: Path, tmp_path: Path) -> None:
    name = name_of(broken, 5)
    samples = digital(broken, name).astype(np.int64)
    samples[:, 10] = 0
    rewrite_record(broken, name, samples)
    found = pack(broken, tmp_path / "cache")
    assert found.warnings == {5: f"{name}: flat lead V5"}
    assert not found.defects


def test_fold_without_files_is_plain(broken: Path, tmp_path: Path) -> None:
    metadata = ptbxl.load_metadata(broken)
    for name in metadata.loc[metadata["strat_fold"] == 10, "filename_lr"]:
        (broken / f"{name}.hea").unlink()
        (broken / f"{name}.dat").unlink()
    with pytest.raises(DataError, match="fold 10 isn't in the tree"):
        pack(broken, tmp_path / "cache")
    rest = ptbxl.select_folds(metadata, range(1, 10))
    found = signals.load_pack(broken, rest, tmp_path / "cache", "error", False)
    assert len(found) == len(rest)


# ---------------------------------------------------------------- the pack


def test_digest_is_of_the_content_alone(tree: Path, broken: Path, tmp_path: Path) -> None:
    first = pack(tree, tmp_path / "a")
    assert pack(broken, tmp_path / "b").digest == first.digest
    name = name_of(broken, 5)
    samples = digital(broken, name).astype(np.int64)
    samples[500, 0] += 1
    rewrite_record(broken, name, samples)
    assert pack(broken, tmp_path / "b").digest != first.digest


def test_change_of_same_size_is_noticed(broken: Path, tmp_path: Path) -> None:
    pack(broken, tmp_path / "cache")
    flip_sample(broken, name_of(broken, 5))
    with pytest.raises(DataError, match="the checksum of lead aVL"):
        pack(broken, tmp_path / "cache")


def test_second_use_reads_no_record(tree: Path, tmp_path: Path) -> None:
    pack(tree, tmp_path)
    (folder,) = (tmp_path / "packs").iterdir()
    stamp = (folder / "signals.i16").stat().st_mtime_ns
    again = pack(tree, tmp_path)
    assert (folder / "signals.i16").stat().st_mtime_ns == stamp
    assert isinstance(again.signals, np.memmap)
    assert not again.signals.flags.writeable


@pytest.mark.parametrize("file", ["signals.i16", "records.npz", "meta.json"])
def test_damaged_pack_is_made_again(tree: Path, tmp_path: Path, file: str) -> None:
    digest = pack(tree, tmp_path).digest
    (folder,) = (tmp_path / "packs").iterdir()
    os.truncate(folder / file, 100)
    assert pack(tree, tmp_path).digest == digest
    assert [path.name for path in (tmp_path / "packs").iterdir()] == [folder.name]


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_flipped_bit_of_a_pack_is_noticed(tree: Path, tmp_path: Path, place, capsys) -> None:
    whole = pack(tree, tmp_path)
    digest, signals = whole.digest, np.array(whole.signals)
    (folder,) = (tmp_path / "packs").iterdir()
    data = bytearray((folder / "signals.i16").read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    (folder / "signals.i16").write_bytes(data)
    again = pack(tree, tmp_path)
    assert again.digest == digest
    np.testing.assert_array_equal(again.signals, signals)
    assert f"pack {folder} is damaged: made anew" in capsys.readouterr().err
    pack(tree, tmp_path)
    assert "damaged" not in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "packs").iterdir()] == [folder.name]


def _pack_digest(arguments: tuple[Path, Path]) -> str:
    return pack(*arguments).digest


def test_processes_at_once(tree: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        digests = pool.map(_pack_digest, [(tree, tmp_path)] * 6)
    assert set(digests) == {pack(tree, tmp_path).digest}
    assert len(list((tmp_path / "packs").iterdir())) == 1


def test_unwritable_cache_is_one_clear_line(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"can't write the signals into the cache folder .*file"):
        pack(tree, tmp_path / "file")


# ---------------------------------------------------------------- headers

PTBXL_LINE = "x.dat 16 1000.0(0)/mV 16 0 -119 1508 0 I"


@pytest.mark.parametrize(
    ("line", "gain", "baseline"),
    [
        (PTBXL_LINE, 1000.0, 0),
        (PTBXL_LINE.replace("1000.0(0)/mV", "200(-5)/mV"), 200.0, -5),
        (PTBXL_LINE.replace("1000.0(0)/mV", "4.88e2/mV").replace("16 0 -", "16 7 -"), 488.0, 7),
        (PTBXL_LINE.replace("1000.0(0)/mV", "500"), 500.0, 0),
    ],
)
def test_header_against_wfdb(tmp_path: Path, line: str, gain: float, baseline: int) -> None:
    text = f"x 1 100 1000\n{line}\n"
    (tmp_path / "x.hea").write_text(text)
    expected = wfdb.rdheader(str(tmp_path / "x"))
    found = HeaderParser().parse(text, "x")
    assert found is not None
    assert found.layout.gain == (gain,) == tuple(expected.adc_gain)
    assert found.layout.baseline == (baseline,) == tuple(expected.baseline)
    assert found.initial_value == tuple(expected.init_value)
    assert found.checksum == tuple(expected.checksum)


@pytest.mark.parametrize(
    "text",
    [
        "x 1 100 1000\n# a comment\n" + PTBXL_LINE,
        "x 1 100 1000 12:00:00\n" + PTBXL_LINE,
        "x 1 100 1000\n" + PTBXL_LINE.replace(" 16 1000", " 212 1000"),
        "x 1 100 1000\n" + PTBXL_LINE.replace(" 16 1000", " 16x2 1000"),
        "x 1 100 1000\n" + PTBXL_LINE.replace("1000.0(0)/mV", "0/mV"),
        "x 1 100 1000\n" + PTBXL_LINE.replace("x.dat", "y.dat"),
        "x 2 100 1000\n" + PTBXL_LINE,
        "x 1 100 1000\n" + PTBXL_LINE.replace(" 16 ", "\n16 ", 1),
        "x 1 100 1000 " + PTBXL_LINE,
        "x 1 100 1000\n" + PTBXL_LINE.replace("-119", "?"),
    ],
)
def test_unknown_layouts_are_left_to_wfdb(text: str) -> None:
    assert HeaderParser().parse(text, "x") is None
