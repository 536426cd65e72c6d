"""When a champion's answers are to be looked at again: what ``sync`` asks."""

import sys
import time
from collections.abc import Mapping

from heart_reader.errors import DataError
from heart_reader.predictions.columns import ANSWER
from heart_reader.predictions.log import collect, open_table
from heart_reader.predictions.place import find_place

NEXT = "drift_next"  # tag of a version: seconds since 1970


def is_due(model: str, tags: Mapping[str, str], fewest: int) -> bool:
    """Whether there is a log, the last look is long ago, and there are answers to look at.

    Args:
        model: name and version.
        tags: of the version.
        fewest: answers of which something can be said.
    """
    place = find_place()
    if place is None or time.time() < _seconds(tags.get(NEXT, "")):
        return False
    try:
        collect(place)
        table = open_table(place)
        try:
            return len(table.newest(model, ANSWER, fewest)) >= fewest
        finally:
            table.close()
    except DataError as error:
        print(f"the log of answers can't be looked at: {error}", file=sys.stderr, flush=True)
        return False


def _seconds(word: str) -> float:
    """A tag that others may have written."""
    try:
        return float(word)
    except ValueError:
        return 0.0
