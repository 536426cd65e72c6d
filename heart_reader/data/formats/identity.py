"""Who an ECG is of, as its file says it: read where a user asks for it, and nowhere else."""

from dataclasses import dataclass

from heart_reader.data.formats.families.vendor import person_of
from heart_reader.data.formats.reading import FORMATS, find_file, split_address


@dataclass(frozen=True)
class Identity:
    """A person; ``""`` where the file doesn't say it.

    Attributes:
        given, family: names.
        number: the hospital's.
        born: ``YYYY-MM-DD``.
    """

    given: str
    family: str
    number: str
    born: str

    def __str__(self) -> str:
        name = " ".join(each for each in (self.given, self.family) if each)
        born = f"born {self.born}" if self.born else ""
        return ", ".join(each for each in (name, self.number, born) if each)


def identity_of(path: str) -> Identity | None:
    """The person of a hospital's file; ``None`` for kinds of files that don't say one in fields
    of their own.

    Raises:
        DataError: a file that can't be read.
    """
    file, head = find_file(split_address(path)[0])
    kind = next((each.kind for each in FORMATS if each.matches(file, head)), "")
    person = person_of(path, file, kind)
    if person is None:
        return None
    born = person.birth_date
    return Identity(
        given=person.first_name or "",
        family=person.last_name or "",
        number=person.patient_id or "",
        born="" if born is None else f"{born:%Y-%m-%d}",
    )
