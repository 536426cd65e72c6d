"""Sixty broken manifests, task files and specs: clear lines, no traceback, nothing half-written.

Covers: heart_reader.data.manifest.columns, heart_reader.data.manifest.read,
heart_reader.tasks.file.
"""

from pathlib import Path

import pytest

from heart_reader.cli.entry import run_entry
from heart_reader.prepare import main
from tests.data.manifest.test_read import BROKEN as MANIFESTS
from tests.tasks.test_file import BROKEN as TASKS

GOOD = "file,record_id,patient_id,fold,age,sex,AF,SB\na.csv,1,1,1,60,m,1,0\n"

# File name, content; what the error says.
FILES: dict[str, tuple[str, bytes, str]] = {
    "empty file": ("records.csv", b"", "can't be read"),
    "a picture": ("records.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "can't be read"),
    "latin-1": ("records.csv", "file,AF\nä.csv,1\n".encode("latin-1"), "can't be read"),
    "no Parquet": ("records.parquet", b"PAR1", "can't be read"),
    "spaces alone": ("records.csv", b"   \n  \n", "can't be read"),
    "semicolons": ("records.csv", b"file;AF\na.csv;1\n", "column 'file' is missing"),
    "a patient in two": (
        "records.csv",
        b"file,patient_id,fold,AF\na.csv,7,1,1\nb.csv,7,10,0\n",
        "a patient may be in one of train, validation and test only",
    ),
    "the name of PTB-XL's": ("all.csv", GOOD.encode(), "name 'all' means something else already"),
    "no fold 9": ("records.csv", GOOD.encode(), "there is no record of part validation"),
    "broken folds": ("records.csv", b"file,AF\na.csv,1\n", "which keeps the folds, can't be read"),
}
SPECS: dict[str, tuple[str, str]] = {
    "signal.leads": ("I,V9", "signal.leads must be of the twelve, but 'V9' isn't"),
    "signal.leads ": ("V6-V1", "must go up in a range"),
    "signal.leads  ": ("I,II,I", "signal.leads must be different, but I is there twice"),
    "signal.leads   ": ("I,,II", "a name is missing in 'I,,II'"),
    "signal.leads    ": ("8,V1", "'8' means several, and stands alone in '8,V1'"),
    "signal.fs": ("5", "signal.fs must lie from 50 to 1000 Hz, but is 5"),
    "signal.fs ": ("1" + "0" * 400, "signal.fs must lie from 50 to 1000 Hz, but is 1000"),
    "signal.seconds": ("0.5", "signal.seconds must lie from 1 to 600, but is 0.5"),
    "signal.seconds ": ("2.005", "signal.seconds must be whole samples at 100 Hz, but is 2.005"),
    "training.lead_sets": ("12,8,8", "training.lead_sets must be different, but 8 is there twice"),
    "training.lead_sets ": ("12,I+V9", "training.lead_sets must be of the twelve, but 'V9'"),
    "training.auxiliary": ("al", "unknown task 'al', did you mean 'all'?"),
    "signal.short": ("cut", "must be one of 'repeat', 'pad', 'refuse', but is 'cut'"),
    "signal.lead": ("I", "unknown config key 'signal.lead', did you mean 'signal.leads'?"),
    "task": ("rythm", "unknown task 'rythm', did you mean 'rhythm'?"),
    "data.records_per_fold": ("0", "records_per_fold must be at least 1, but is 0"),
    "data.on_defect": ("drop", "must be one of 'error', 'skip', but is 'drop'"),
}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines of a call that is refused: errors alone, and none of them empty."""
    assert run_entry(main, words=["--data", *words]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors and "Traceback" not in "\n".join(lines)
    assert [line for line in lines if not line.startswith(("error: ", "note: "))] == []
    return errors


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEART_READER_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "data"
    home.mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        (home / name).write_text("0\n")
    return home


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest(name: str, folder: Path, capsys) -> None:
    lines, _ = MANIFESTS[name]
    (folder / "records.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = written(folder)
    (error,) = refused(capsys, str(folder / "records.csv"))
    assert "records.csv" in error
    assert written(folder) == before and not (folder.parent / "cache" / "packs").exists()


@pytest.mark.parametrize("text", TASKS)
def test_a_task_file(text: str, folder: Path, capsys) -> None:
    (folder / "records.csv").write_text(GOOD)
    (folder / "task.yaml").write_text(text)
    (error,) = refused(capsys, str(folder / "records.csv"))
    assert TASKS[text] in error and "task.yaml" in error


@pytest.mark.parametrize("name", FILES)
def test_a_file(name: str, folder: Path, capsys) -> None:
    file, content, says = FILES[name]
    (folder / file).write_bytes(content)
    if name == "broken folds":
        (folder / "records.folds.csv").write_text("nonsense\n1\n")
    before = written(folder)
    errors = refused(capsys, str(folder / file))
    assert says in errors[0] and str(folder / file).rpartition(".")[0] in errors[0]
    assert written(folder) == before


@pytest.mark.parametrize("key", SPECS)
def test_a_spec(key: str, folder: Path, capsys) -> None:
    value, says = SPECS[key]
    (folder / "records.csv").write_text(GOOD)
    (error,) = refused(capsys, str(folder / "records.csv"), f"--{key.strip()}", value)
    assert says in error


def test_there_are_sixty() -> None:
    assert len(MANIFESTS) + len(TASKS) + len(FILES) + len(SPECS) >= 60
