"""Age and sex out of the free text that headers and comments hold: right, or unknown."""

import math
import re
from collections.abc import Sequence

from heart_reader.data.ptbxl import AGE_OVER_89, AGE_OVER_89_YEARS
from heart_reader.errors import DataError

OLDEST = 120.0  # years
UNKNOWN = math.nan

_AGE = re.compile(
    r"(?<!\w)age\b[>)\]]?[ \t]*(?:\((?:years|yrs?|y)\))?[ \t]*[:=]?[ \t]*(.*)", re.IGNORECASE
)
# A unit of one letter touches its number ("006M" is six months, "63 M" a man of 63).
_VALUE = re.compile(
    r"(>?)\s*(-?\d+(?:[.,]\d+)?)\+?"
    r"(?:([ymwd])|\s*(years?|yrs?|months?|mons?|mos?|weeks?|wks?|days?))?"
    r"(?=$|[\s,;)<|])[\s,;)|]*(\S*)",
    re.IGNORECASE,
)
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
_SEX = re.compile(r"(?<!\w)(?:sex|gender)\b[>)\]]?[ \t]*[:=]?[ \t]*(\w+)", re.IGNORECASE)
_SEXES = {"m": 0.0, "male": 0.0, "man": 0.0, "f": 1.0, "female": 1.0, "woman": 1.0}
_MIT_BIH = re.compile(r"^(\d{1,3})\s+([MF])\b")  # "69 M 1085 1629 x1", an age and a sex first


def age_of(lines: Sequence[str]) -> float:
    """Years, NaN where no line says them plausibly.

    >>> [age_of([line]) for line in ("Age: 63", "age: 6 months", "Age: -1", "Age: 1500 mg")]
    [63.0, 0.5, nan, nan]
    """
    for line in lines:
        found = _AGE.search(line)
        years = _years(found[1]) if found else UNKNOWN
        if not math.isnan(years):
            return years
    first = _MIT_BIH.match(lines[0].strip()) if lines else None
    return plausible_age(float(first[1])) if first else UNKNOWN


def sex_of(lines: Sequence[str]) -> float:
    """0 male, 1 female, NaN where no line says it.

    >>> [sex_of([line]) for line in ("Sex: Female", "<sex>: M", "Sex: Medication")]
    [1.0, 0.0, nan]
    """
    for line in lines:
        found = _SEX.search(line)
        if found and found[1].lower() in _SEXES:
            return _SEXES[found[1].lower()]
    first = _MIT_BIH.match(lines[0].strip()) if lines else None
    return _SEXES[first[2].lower()] if first else UNKNOWN


def sex_of_word(word: str) -> float:
    """0 for ``M`` or ``male``, 1 for ``F`` or ``female``, in any case; NaN for other words."""
    return _SEXES.get(word.strip().lower(), UNKNOWN)


def plausible_age(years: float) -> float:
    """Years from 0 to 120; PTB-XL's 300, which is anyone above 89, is 90; NaN for others."""
    if years == AGE_OVER_89:
        return AGE_OVER_89_YEARS
    return years if 0 <= years <= OLDEST else UNKNOWN


def checked_age(years: float) -> float:
    """An age that a user gave.

    Raises:
        DataError: one that nobody has.
    """
    plausible = plausible_age(years)
    if math.isnan(plausible):
        raise DataError(f"an age must lie from 0 to {OLDEST:g} years, but is {years:g}")
    return plausible


def _years(text: str) -> float:
    found = _VALUE.match(text.strip())
    if found is None or not _begins_something_else(found[5]):
        return UNKNOWN
    unit = (found[3] or found[4] or "y")[0].lower()
    number = float(found[2].replace(",", ".")) + (found[1] == ">")
    return plausible_age(number * _YEARS[unit])


def _begins_something_else(word: str) -> bool:
    """Whether what follows a number isn't its unit: ``mg`` makes it no age."""
    return not word.isalpha() or word.lower() in _SEXES or word.lower() in ("sex", "gender")
