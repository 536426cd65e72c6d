"""Files that mean harm, or are damaged: a clear line each, soon, in little memory.

Covers: heart_reader.data.formats.limits.
"""

import io
import struct
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.damage import attempts
from benchmarks.damage.attempts import LONGEST, mutated
from benchmarks.ecg_files.hospital import write_aecg, write_muse
from benchmarks.ecg_files.tables import write_npz
from benchmarks.ecg_files.truth import truth_of
from benchmarks.ecg_files.writers import WRITERS
from benchmarks.fuzz_files import fuzz
from heart_reader.data.formats import read_recording
from heart_reader.data.formats.limits import decoding, time_limit
from heart_reader.errors import DataError
from tests.data.recordings.test_model_input import sines

N_FILES = 15  # of each family; the benchmark tries 200


@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, kind):
    outcome = fuzz(kind, N_FILES, 1, tmp_path)
    assert outcome.wrong == []
    assert outcome.taken + outcome.refused == N_FILES
    assert outcome.slowest < LONGEST


def computing() -> None:
    end = time.process_time() + 20
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(("read", "said"), [
    (computing, "more than 1.0 s of computing"),
    (lambda: time.sleep(20), "3.0 s of waiting"),
    (lambda: np.ones(2**24), "took 128 MB"),
    (lambda: time.sleep(0.3), ""),
])  # fmt: skip
def test_the_fuzzers_judge_computing_waiting_and_memory(monkeypatch, read, said):
    for name, value in (("LONGEST", 1.0), ("BLOCKED", 3.0), ("LARGEST", 100.0)):
        monkeypatch.setattr(attempts, name, value)
    outcome = attempts.Outcome("test")
    attempts.attempt(read, outcome, lambda text: False)
    assert len(outcome.wrong) == bool(said) and all(said in each for each in outcome.wrong)
    assert outcome.taken == (not said or "MB" in said)


def test_the_damage_is_damage_and_the_same_for_a_seed():
    content = bytes(range(256)) * 20 + b" 123 "
    first = [mutated(content, np.random.default_rng(seed)) for seed in range(40)]
    again = [mutated(content, np.random.default_rng(seed)) for seed in range(40)]
    assert first == again
    assert sum(each != content for each in first) > 30


ENTITY = '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("write", [write_muse, write_aecg])
def test_xml_with_entities_is_refused(tmp_path, write):
    path = write(tmp_path, truth_of(sines(250).T, 250))
    text = path.read_text(encoding="latin-1")
    start = text.index("?>") + 2
    rest = text[start:].replace('<!DOCTYPE RestingECG SYSTEM "restecg.dtd">', "")
    path.write_text(text[:start] + ENTITY + rest, encoding="latin-1")
    with pytest.raises(DataError, match="can't be read as"):
        read_recording(str(path))


def test_a_small_archive_of_a_huge_array_is_refused_unread(tmp_path):
    path = write_npz(tmp_path, truth_of(sines(250).T, 250))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (12, 10**8)}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("signal.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(500):
            file.write(bytes(2**20))
    assert path.stat().st_size < 10**6
    with pytest.raises(DataError, match="can't be read as NPZ: its arrays are too large"):
        read_recording(str(path), 500)


def test_sizes_that_no_file_can_have_are_refused(tmp_path):
    claims = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (1000, 12))
    claims.flush()
    content = (tmp_path / "x.npy").read_bytes().replace(b"(1000, 12)", b"(10**9,12)")
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match="can't be read as NPY"):
        read_recording(str(tmp_path / "x.npy"), 500)
    head = struct.pack("<5i", 0, 12, 2**31 - 1, 0, 4) + b"val\0"
    (tmp_path / "x.mat").write_bytes(head + bytes(1000))
    with pytest.raises(DataError, match=r"claims arrays of \d+ values|can't be read as MAT"):
        read_recording(str(tmp_path / "x.mat"), 500)


def test_a_file_of_no_known_kind_names_the_kinds(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(range(128, 256)) * 10 + b"\0")
    with pytest.raises(DataError, match=r"it is none of DICOM, GE MUSE XML, .*, CSV"):
        read_recording(str(tmp_path / "x.bin"))


def test_xml_of_a_million_tags_and_json_of_many_megabytes_are_refused(tmp_path):
    (tmp_path / "x.xml").write_text("<RestingECG>" + "<a/>" * 1_000_001 + "</RestingECG>")
    with pytest.raises(DataError, match="more than 1000000 tags"):
        read_recording(str(tmp_path / "x.xml"))
    (tmp_path / "x.json").write_text("[" + "1," * 2**23 + "1]")
    with pytest.raises(DataError, match="has 16 MB; files of this kind may have 16 MB"):
        read_recording(str(tmp_path / "x.json"), 500)


def test_a_deflated_dicom_is_refused(tmp_path):
    path = WRITERS["DICOM"](tmp_path, truth_of(sines(250).T, 250))
    content = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    path.write_bytes(content)
    with pytest.raises(DataError, match="it is deflated"):
        read_recording(str(path))


def _read_for(seconds: float) -> str:
    """As a damaged file would keep a decoder, which takes any Exception for damage."""
    try:
        with time_limit(0.2, "x.dcm"), decoding("x.dcm", "DICOM"):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pass
    except DataError as error:
        return str(error)
    return "read"


def test_a_file_that_takes_too_long_is_refused_in_any_thread():
    said = "x.dcm can't be read: it took more than 0.2 s"
    assert _read_for(20) == said
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_read_for, 20).result() == said
        assert pool.submit(_read_for, 0).result() == "read"
    time.sleep(0.3)  # a limit that is over ends nothing
    assert _read_for(0) == "read"
