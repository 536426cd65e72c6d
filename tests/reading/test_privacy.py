"""Names, numbers and birth dates of people stay in their file, whatever is written of it.

Covers: heart_reader.data.formats.identity, heart_reader.reading.fhir.
"""

import json
import logging
from pathlib import Path

import pytest
import wfdb
from matplotlib.text import Text

from benchmarks.ecg_files.truth import BORN, GIVEN, NUMBER, SURNAME, truth_of
from benchmarks.ecg_files.writers import WRITERS
from heart_reader import predict
from heart_reader.data.formats.identity import identity_of
from heart_reader.errors import DataError
from heart_reader.reading import drawing
from heart_reader.reading.many import call
from tests.conftest import REPOSITORY

MODEL = REPOSITORY / "pretrained" / "se_resnet1d"
HOSPITAL = ("DICOM", "GE MUSE XML", "Philips Sierra XML", "HL7 aECG", "SCP-ECG", "MFER")
BIRTH = (BORN, "1931-04-23", "04-23-1931", "23.04.1931")
PLANTED = [word.lower() for word in (SURNAME, GIVEN, NUMBER, *BIRTH)]


@pytest.fixture(scope="module")
def files(demo_root: Path, tmp_path_factory) -> dict[str, str]:
    """A file of every family that holds a person, and one that is cut in its middle."""
    record = str(sorted(demo_root.glob("records100/**/*.hea"))[0])[:-4]
    truth = truth_of(wfdb.rdsamp(record)[0].T, 100)
    found = {}
    for kind, write in WRITERS.items():
        folder = tmp_path_factory.mktemp("file")
        found[kind] = str(write(folder, truth))
        path = Path(found[kind].partition("#")[0])
        content = path.read_bytes()
        cut = path.with_name(f"cut{path.suffix}")
        cut.write_bytes(content[: len(content) // 2])
        found[f"{kind}, cut"] = str(cut)
    return found


def said_in(folder: Path) -> str:
    return "\n".join(
        path.read_bytes().decode("utf-8", "replace").lower()
        for path in folder.rglob("*")
        if path.is_file()
    )


def planted_in(text: str) -> list[str]:
    return [word for word in PLANTED if word in text.lower()]


def test_the_files_hold_what_is_looked_for(files):
    held = [kind for kind in WRITERS if _holds(files[kind])]
    assert len(held) >= 12 and set(HOSPITAL) <= set(held)


def _holds(name: str) -> bool:
    content = Path(name.partition("#")[0]).read_bytes()
    return any(
        SURNAME.encode(form) in content or NUMBER.encode(form) in content
        for form in ("utf-8", "utf-16-le")
    )


def run(words: list[str]) -> None:
    with pytest.raises(DataError):  # the files that are cut
        predict.main(["--model", str(MODEL), "--fs", "100", *words])


@pytest.fixture
def drawn(monkeypatch) -> list[str]:
    """All text that is drawn; in a PDF it is glyphs, and can't be looked for."""
    texts: list[str] = []

    def save(figure, path):
        texts.extend(each.get_text() for each in figure.findobj(Text))
        return path

    monkeypatch.setattr(drawing, "save", save)
    return texts


def test_nothing_that_is_written_names_a_person(files, drawn, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    words = ["--json", "--plot", f"{tmp_path}/plots", "--report", f"{tmp_path}/pages"]
    words += ["--windows", f"{tmp_path}/windows.csv", "--fhir", f"{tmp_path}/fhir.json"]
    run([*words, *files.values()])
    printed = capfd.readouterr()
    for text in (printed.out, printed.err, caplog.text, "\n".join(drawn), said_in(tmp_path)):
        assert planted_in(text) == []
    assert len(drawn) > 100 and '"observation"' in said_in(tmp_path)


def test_the_table_of_many_files_names_nobody(files, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(call, "n_processes", lambda: 1)
    run(["--out", f"{tmp_path}/results.csv", *files.values()])
    printed = capfd.readouterr()
    assert planted_in(said_in(tmp_path) + printed.out + printed.err) == []
    assert said_in(tmp_path).count("\n") >= len(files)


def test_fhir_names_the_person_where_that_is_asked_for(files, tmp_path, capfd):
    words = ["--json", "--identify", "--fhir", f"{tmp_path}/fhir.json"]
    predict.main(["--model", str(MODEL), "--fs", "100", *words, files["DICOM"], files["NPZ"]])
    printed = capfd.readouterr()
    assert planted_in(printed.out + printed.err) == []
    entries = json.loads((tmp_path / "fhir.json").read_text())["entry"]
    reports = [e["resource"] for e in entries if e["resource"]["resourceType"] != "Observation"]
    (patient,) = reports[0]["contained"]
    assert patient["name"] == [{"family": SURNAME, "given": [GIVEN]}]
    assert patient["identifier"] == [{"value": NUMBER}] and patient["birthDate"] == "1931-04-23"
    assert reports[0]["subject"] == {"reference": "#patient"}
    assert "subject" not in reports[1]


def test_the_page_names_the_person_where_that_is_asked_for_and_the_sheet_never(
    files, drawn, tmp_path, capfd
):
    words = ["--json", "--identify", "--report", f"{tmp_path}/pages", files["GE MUSE XML"]]
    predict.main(["--model", str(MODEL), *words])
    (line,) = [text for text in drawn if SURNAME in text]
    assert line.startswith(f"{GIVEN} {SURNAME}, {NUMBER}, born 1931-04-23, ")
    drawn.clear()
    words[2:4] = ["--plot", f"{tmp_path}/plots"]
    predict.main(["--model", str(MODEL), *words])
    printed = capfd.readouterr()
    for text in (printed.out, printed.err, "\n".join(drawn), said_in(tmp_path)):
        assert planted_in(text) == []
    assert len(drawn) > 10


@pytest.mark.parametrize("kind", HOSPITAL)
def test_who_a_hospitals_file_is_of(files, kind):
    person = identity_of(files[kind])
    assert person is not None and SURNAME in person.family and person.number == NUMBER
    assert SURNAME in str(person)


def test_other_files_say_nobody(files):
    assert identity_of(files["NPZ"]) is None
