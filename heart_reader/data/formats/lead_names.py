"""Which channel of a file is which of the twelve leads, by its name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from heart_reader.data.ptbxl import LEADS

# What files write in front of a lead's name: "Lead I", "MDC_ECG_LEAD_V1", "ECG aVR", "DII".
# One hyphen behind it parts the two ("Lead-I"); behind a space it is a sign ("Lead -aVR").
_PREFIX = re.compile(r"^(?:mdc_ecg_lead|mdc_ecg|lead|ecg|ekg|derivation)(?:[\s_:.]+|-)?")
_BRACKETS = re.compile(r"\s*[(\[{].*$")
_SIGN = re.compile(r"^(?:-|−|minus\s+|inverted\s+|neg\s+)(?=[a-z])")
_ALIASES = {
    **{lead.lower(): lead for lead in LEADS},
    **{"d1": "I", "d2": "II", "d3": "III", "di": "I", "dii": "II", "diii": "III"},
    **{"mli": "I", "mlii": "II", "mliii": "III", "ml2": "II"},
    **{"vr": "aVR", "vl": "aVL", "vf": "aVF"},
}
# Leads of other systems, which hang together otherwise than the twelve do.
_SYSTEMS = {
    "Frank": {"x", "y", "z", "vx", "vy", "vz"},
    "Nehb": {"d", "a", "j", "nehb d", "nehb a", "nehb j"},
}


@dataclass(frozen=True)
class Chosen:
    """The channels that are leads.

    Attributes:
        leads: names of ``LEADS``, each once, in the file's order.
        columns: where each is in the file.
        signs: 1, or -1 where the file holds the inverted lead.
        others: names of the channels that are none of the twelve.
        notes: what was assumed.
    """

    leads: tuple[str, ...]
    columns: tuple[int, ...]
    signs: tuple[int, ...]
    others: tuple[str, ...]
    notes: tuple[str, ...]


def lead_of(name: str) -> tuple[str, int] | None:
    """The lead that a channel's name means and its sign; ``None`` for any other channel.

    >>> [lead_of(name) for name in ("MDC_ECG_LEAD_AVF", "-aVR", "Lead I (Einthoven)", "ABP")]
    [('aVF', 1), ('aVR', -1), ('I', 1), None]
    """
    word = _BRACKETS.sub("", name.strip().lower())
    word = _PREFIX.sub("", word).strip(" \t_:.\"'")
    inverted = _SIGN.sub("", word)
    lead = _ALIASES.get(inverted.replace(" ", "").replace("_", ""))
    if lead is None:
        return None
    return lead, 1 if inverted == word else -1


def choose_leads(names: Sequence[str]) -> Chosen:
    """The twelve leads among the channels of a file, as far as they are there.

    A lead that is there twice is taken where it has its plain name, else where it comes first.
    """
    return _chosen(tuple(names))


@lru_cache(maxsize=64)  # the files of a data set have the same names
def _chosen(names: tuple[str, ...]) -> Chosen:
    found: dict[str, tuple[int, int]] = {}
    others, notes = [], []
    # Plain names first: "II" before "MLII".
    for column in sorted(range(len(names)), key=lambda k: (not _plain(names[k]), k)):
        meant = lead_of(names[column])
        if meant is None:
            others.append((column, names[column].strip()))
        elif meant[0] in found:
            notes.append(f"lead {meant[0]} is there twice: {names[column].strip()!r} left out")
        else:
            found[meant[0]] = (column, meant[1])
            if meant[1] < 0:
                notes.append(f"lead {meant[0]} turned round: the file has {names[column]!r}")
    order = sorted(found, key=lambda lead: found[lead][0])
    return Chosen(
        leads=tuple(order),
        columns=tuple(found[lead][0] for lead in order),
        signs=tuple(found[lead][1] for lead in order),
        others=tuple(name for _, name in sorted(others)),
        notes=tuple(notes),
    )


def _plain(name: str) -> bool:
    return name.strip().lower() in {lead.lower() for lead in LEADS}


def other_system(names: Sequence[str]) -> str:
    """``"; X, Y, Z are Frank leads, not of the twelve"`` where that is so, else ``""``."""
    for system, members in _SYSTEMS.items():
        found = [name for name in names if name.strip().lower() in members]
        if len(found) > 1:
            return f"; {', '.join(found)} are {system} leads, not of the twelve"
    return ""
