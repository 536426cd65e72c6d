"""Which files a folder, a pattern or a list means."""

import csv
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from heart_reader.errors import DataError

COLUMNS = ("path", "file", "filename", "record")  # of a list, the first that is there
LISTS = (".csv", ".tsv", ".txt")
LARGEST_HEADER = 2**16  # bytes of a WFDB header that are looked at for the files it names


def files_of(words: Sequence[str]) -> list[str]:
    """The files that words of a command line mean, in order, each once.

    A folder means all its files, those of folders in it too; signal files and segments of a WFDB
    record mean their header. A pattern (``*``, ``?``, ``[``) means what it matches, a table with
    names of files in its first column or in one of ``COLUMNS`` those files.

    Raises:
        DataError: a folder, pattern or list without a file.
    """
    found = [name for word in words for name in _meant(word)]
    return list(dict.fromkeys(found))


def _meant(word: str) -> list[str]:
    path = Path(word)
    if path.is_dir():
        found = _records(sorted(each for each in path.rglob("*") if _plain(each, path)))
        return _some(found, f"folder {word} holds no file")
    if any(mark in word for mark in "*?[") and not path.exists():
        matched = sorted(Path(each) for each in glob.glob(word, recursive=True))
        return _some(
            _records([each for each in matched if each.is_file()]), f"{word} matches no file"
        )
    if path.suffix.lower() in LISTS and path.is_file():
        return list(_listed(path)) or [word]
    return [word]


def _plain(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.is_file()


def _some(found: list[str], otherwise: str) -> list[str]:
    if not found:
        raise DataError(otherwise)
    return found


def _records(paths: Sequence[Path]) -> list[str]:
    """All but what belongs to a WFDB record that is among them."""
    parts: set[Path] = set()
    for path in paths:
        if path.suffix.lower() == ".hea":
            parts |= set(_parts(path))
    return [str(path) for path in paths if path not in parts]


def _parts(header: Path) -> Iterator[Path]:
    """The files that a WFDB header names: of signals, of segments, and its annotations."""
    with header.open("rb") as file:
        text = file.read(LARGEST_HEADER).decode("latin-1")
    for line in text.splitlines()[1:]:
        words = line.split()
        if words and not line.startswith("#"):
            yield header.with_name(Path(words[0]).name)
            if words[0] != header.stem:
                yield header.with_name(f"{Path(words[0]).name}.hea")
    yield header.with_suffix(".atr")


def _listed(path: Path) -> Iterator[str]:
    """The files of a table whose first names are files that are there; of any other table none."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        head = file.read(4096)
        file.seek(0)
        rows = csv.reader(file, delimiter="\t" if "\t" in head else ",")
        first = next(rows, [])
        names = [each.strip().lower() for each in first]
        column = next((names.index(name) for name in COLUMNS if name in names), None)
        if column is None and not (first and _there(path, first[0])):
            return
        if column is None:
            column = 0
            yield _beside(path, first[0])
        for row in rows:
            if len(row) > column and row[column].strip():
                yield _beside(path, row[column])


def _there(path: Path, name: str) -> bool:
    beside = _beside(path, name)
    return bool(name.strip()) and any(
        Path(f"{beside}{suffix}").is_file() for suffix in ("", ".hea")
    )


def _beside(path: Path, name: str) -> str:
    """Names in a list are meant from the list's folder, or from where the command runs."""
    near = path.parent / name.strip()
    here = not any(Path(f"{near}{suffix}").exists() for suffix in ("", ".hea"))
    return name.strip() if here and Path(name.strip()).exists() else str(near)
