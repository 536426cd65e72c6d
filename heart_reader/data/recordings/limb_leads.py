"""The six limb leads hang together: two of I, II and III say the other four.

Einthoven's law (I + III = II) and Goldberger's leads; for example Malmivuo and Plonsey,
Bioelectromagnetism, 1995, section 15.2 and 15.4. http://www.bem.fi/book/15/15.htm
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Leads = dict[str, Floats]

LIMB_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")
# Above this share of the limb leads' energy they contradict each other: swapped cables or columns.
MOST_CONTRADICTION = 0.05


def limb_leads(i: Floats, ii: Floats) -> Leads:
    """All six from I and II."""
    return {
        "I": i,
        "II": ii,
        "III": ii - i,
        "aVR": -(i + ii) / 2,
        "aVL": i - ii / 2,
        "aVF": ii - i / 2,
    }


def computed(leads: Leads) -> Leads:
    """All six from the two of I, II and III that are there; empty where fewer are."""
    if "I" in leads and "II" in leads:
        return limb_leads(leads["I"], leads["II"])
    if "II" in leads and "III" in leads:
        return limb_leads(leads["II"] - leads["III"], leads["II"])
    if "I" in leads and "III" in leads:
        return limb_leads(leads["I"], leads["I"] + leads["III"])
    return {}


def with_computed(there: Iterable[str]) -> set[str]:
    """The names of some leads, and of those that `computed` makes of them.

    >>> sorted(with_computed(["II", "III"])), with_computed(["II"])
    (['I', 'II', 'III', 'aVF', 'aVL', 'aVR'], {'II'})
    """
    leads = set(there)
    return leads | set(LIMB_LEADS) if len(leads & {"I", "II", "III"}) >= 2 else leads


def contradiction(leads: Leads) -> tuple[float, str]:
    """How far III and the augmented leads are from what I and II make them.

    Each lead's mean is left out, since offsets are the recorder's.

    Args:
        leads: mV (n_times,) each, without NaN.

    Returns:
        The share of the energy of the limb leads that are there, and the lead that is furthest
        from what it should be; 0 where nothing can be compared.
    """
    there = {lead: leads[lead] - leads[lead].mean() for lead in LIMB_LEADS if lead in leads}
    if not {"I", "II"} <= set(there) or len(there) < 3:
        return 0.0, ""
    said = limb_leads(there["I"], there["II"])
    wrong = {lead: float(((there[lead] - said[lead]) ** 2).sum()) for lead in there}
    energy = sum(float((values**2).sum()) for values in there.values())
    return sum(wrong.values()) / energy if energy else 0.0, max(wrong, key=lambda k: wrong[k])
