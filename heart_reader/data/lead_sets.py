"""Sets of leads that one model serves: those that a record lacks are flat lines to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.ptbxl import LEADS
from heart_reader.data.spec import SETS, leads_of
from heart_reader.errors import DataError

NONE = "none"
LeadSet = tuple[str, ...]


def lead_sets_of(text: str) -> tuple[LeadSet, ...]:
    """The sets that a user names, with commas; ``+`` joins the leads of one.

    >>> lead_sets_of("6,II,I+V1-V2")[1:], lead_sets_of("none")
    ((('II',), ('I', 'V1', 'V2')), ())

    Raises:
        DataError: a lead that is none of the twelve, or a set that is there twice.
    """
    if text.strip() == NONE:
        return ()
    sets = tuple(leads_of(word) for word in text.split(","))
    if twice := [set_name(each) for each in dict.fromkeys(sets) if sets.count(each) > 1]:
        raise DataError(f"must be different, but {', '.join(twice)} is there twice in {text!r}")
    return sets


def set_name(leads: Sequence[str]) -> str:
    """What a set is called in tables and names of metrics: ``12``, ``8``, ``6`` or ``I-II``."""
    known = {found: name for name, found in SETS.items() if name != "all"}
    return known.get(tuple(leads), "-".join(leads))


def widest(sets: Sequence[LeadSet], there: Sequence[str]) -> LeadSet | None:
    """The set with the most leads that a record has all of, ``None`` where it has none."""
    possible = [each for each in sets if set(each) <= set(there)]
    return max(possible, key=len, default=None)


def only(
    signals: NDArray[np.floating[Any]], leads: Sequence[str], kept: Sequence[str]
) -> NDArray[Any]:
    """Signals (n_records, n_leads, n_times) with flat lines for all leads but those kept."""
    there = np.array([lead in kept for lead in leads])
    return np.asarray(np.where(there[:, None], signals, 0), signals.dtype)


def measured_by(names: Sequence[str], kept: Sequence[str]) -> NDArray[np.bool_]:
    """Which features, by their names, can be measured on some leads, (n_features,)."""
    gone = {lead for lead in LEADS if lead not in kept}
    no_axis = not {"I", "aVF"} <= set(kept)
    return np.array(
        [
            name.rpartition("_")[2] not in gone and not (no_axis and "_AxisFront_" in name)
            for name in names
        ],
        np.bool_,
    )
