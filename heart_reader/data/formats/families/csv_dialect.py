"""How a text table is written: encoding, separator, decimal sign, comments, header."""

import re
from dataclasses import dataclass

from heart_reader.errors import DataError
from heart_reader.files import natural

HEAD = 2**16  # bytes that are looked at
WIDE = 200  # fields of a line that are samples of one lead, not leads
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_COMMENT = re.compile(r"^\s*(?:#|%|//)")
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*")
_MISSING = {"", "nan", "na", "n/a", "null", "none", "-", "inf", "-inf"}
_DECIMAL_COMMA = re.compile(r"\d,\d")


@dataclass(frozen=True)
class Dialect:
    """How to read a text table.

    Attributes:
        encoding: of the text.
        separator: between fields; ``None`` stands for any white space.
        decimal: ``.`` or ``,``.
        comments: the text of comment lines at the beginning.
        skip: lines before the first row of numbers.
        header: names of the columns, ``None`` where there is no header.
        units: of the columns, where a second header line has them.
        first: the fields of the first rows of numbers.
        wide: a line is a lead, not a time.
    """

    encoding: str
    separator: str | None
    decimal: str
    comments: tuple[str, ...]
    skip: int
    header: tuple[str, ...] | None
    units: tuple[str, ...] | None
    first: tuple[tuple[str, ...], ...]
    wide: bool


def read_dialect(head: bytes, name: str) -> Dialect:
    """How the table that begins with ``head`` is written.

    Raises:
        DataError: it holds no row of numbers.
    """
    encoding, text = _decoded(head)
    lines = text.splitlines()
    if len(head) == HEAD and len(lines) > 1:
        lines = lines[:-1]  # cut off in the middle
    skip, comments = 0, []
    while skip < len(lines) and (not lines[skip].strip() or _COMMENT.match(lines[skip])):
        comments.append(lines[skip].strip().lstrip("#%/ \t"))
        skip += 1
    body = [line for line in lines[skip:] if line.strip()]
    if not body:
        raise DataError(f"{name} can't be read: there is no row of numbers in it")
    separator = _separator(body[:20])
    decimal = "," if separator != "," and _DECIMAL_COMMA.search(" ".join(body[:20])) else "."
    rows = [split(line, separator) for line in body[:50]]
    header = tuple(rows[0]) if _is_header(rows[0], rows[1:2], decimal) else None
    units = None
    if header is not None:
        rows, skip = rows[1:], skip + 1
        if rows and not any(is_number(field, decimal) for field in rows[0][1:]):
            units, rows, skip = tuple(rows[0]), rows[1:], skip + 1
    first = tuple(tuple(row) for row in rows)
    wide = max((len(row) for row in first), default=0) >= WIDE
    return Dialect(encoding, separator, decimal, tuple(comments), skip, header, units, first, wide)


def split(line: str, separator: str | None) -> list[str]:
    """The fields of a line, without quotes and spaces around them."""
    return [field.strip().strip("\"'").strip() for field in line.strip("\r\n").split(separator)]


def is_number(field: str, decimal: str) -> bool:
    """Whether a field is a number, or says that there is none."""
    word = field.replace(",", ".") if decimal == "," else field
    return bool(_NUMBER.fullmatch(word)) or field.lower() in _MISSING


def are_counted(fields: list[str] | tuple[str, ...]) -> bool:
    """Whether fields are 0, 1, 2 ... or 1, 2, 3 ...: numbers of columns, as pandas writes them."""
    numbers = [natural(field) for field in fields if field]
    if len(numbers) < 3 or len(fields) - len(numbers) > 1:
        return False
    return numbers in (
        list(range(len(numbers))),
        list(range(1, len(numbers) + 1)),
    )


def _decoded(head: bytes) -> tuple[str, str]:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, head.decode(encoding, errors="replace")
    try:
        return "utf-8", head[: len(head) - 3].decode("utf-8") + head[len(head) - 3 :].decode(
            "utf-8", errors="ignore"
        )
    except UnicodeDecodeError:
        return "latin-1", head.decode("latin-1")


def _separator(lines: list[str]) -> str | None:
    """The first of these that most lines have."""
    for separator in (";", "\t", ",", "|"):
        if 2 * sum(separator in line for line in lines) > len(lines):
            return separator
    return None


def _is_header(fields: list[str], following: list[list[str]], decimal: str) -> bool:
    if not all(is_number(field, decimal) for field in fields):
        return len(fields) < WIDE  # a wide row begins with the name of its lead
    return are_counted(fields) and bool(following)
