"""What is said of a record, flat: the columns of a table, and the values under them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from heart_reader.data.delineation import MainMeasurements
from heart_reader.reading.read import Refused
from heart_reader.reading.tables.files import Columns, Row

PROBABILITY = "probability_"
SEPARATOR = "; "


def probability_columns(classes: Sequence[str]) -> Columns:
    """A column a class."""
    return {f"{PROBABILITY}{name}": float for name in classes}


def measured_columns() -> Columns:
    """A column a measurement."""
    return {each.name: float for each in fields(MainMeasurements)}


def measured_values(measured: MainMeasurements) -> Row:
    """The values, ``None`` where nothing could be measured."""
    return {
        name: None if math.isnan(value) else round(value, 1)
        for name, value in vars(measured).items()
    }


def result_columns(classes: Sequence[str], versions: Sequence[str]) -> Columns:
    """Of the table of many files."""
    return {
        "record": str,
        "refused": str,
        "labels": str,
        **probability_columns(classes),
        "calibrated": bool,
        "uncertain": str,
        "novelty": float,
        **measured_columns(),
        "quality": str,
        "quality_reasons": str,
        "notes": str,
        "windows": int,
        **dict.fromkeys(versions, str),
    }


def result_row(finding: Mapping[str, Any], versions: Mapping[str, str]) -> Row:
    """A finding of `records.finding` under those columns."""
    said = finding["probabilities"]
    return {
        "record": finding["record"],
        "refused": None,
        "labels": SEPARATOR.join(finding["labels"]),
        **{f"{PROBABILITY}{name}": value for name, value in said.items()},
        "calibrated": finding["calibrated"],
        "uncertain": SEPARATOR.join(finding["uncertain"]),
        "novelty": finding["novelty"],
        **finding["measurements"],
        "quality": finding["quality"],
        "quality_reasons": SEPARATOR.join(finding["quality_reasons"]),
        "notes": SEPARATOR.join(finding["notes"]),
        "windows": finding["windows"],
        **versions,
    }


def refused_row(refused: Refused, versions: Mapping[str, str]) -> Row:
    """A file that couldn't be read, under the same columns."""
    return {"record": refused.name, "refused": refused.reason, **versions}
