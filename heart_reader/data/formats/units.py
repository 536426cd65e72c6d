"""Units of voltage: as files name them, and as amplitudes tell where a file names none."""

import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.errors import DataError

# Factors to mV.
UNITS = {"mV": 1.0, "uV": 1e-3, "V": 1e3, "nV": 1e-6}
_ALIASES = {
    **{unit.lower(): unit for unit in UNITS},
    **{"μv": "uV", "âµv": "uV", "âμv": "uV", "mcv": "uV", "microvolt": "uV", "microvolts": "uV"},
    **{"millivolt": "mV", "millivolts": "mV", "volt": "V", "volts": "V", "nanovolt": "nV"},
}

# Peak to peak of an ECG's middle lead in mV, with room on both sides; steps of 1,000 between
# units leave a gap that belongs to none.
LOWEST_MV, HIGHEST_MV = 0.1, 10.0


def unit_of(text: str) -> str | None:
    """The key of ``UNITS`` that a text names, ``None`` for any other.

    >>> [unit_of(text) for text in ("µV", "MV", "mmHg")]
    ['uV', 'mV', None]
    """
    word = unicodedata.normalize("NFKC", text.strip()).lower()  # MICRO SIGN becomes Greek mu
    return _ALIASES.get(word)


def factor_to_mv(name: str, lead: str, text: str) -> float:
    """What samples in a unit are multiplied with to be mV.

    Raises:
        DataError: a unit that is none of voltage.
    """
    unit = unit_of(text)
    if unit is None:
        raise DataError(
            f"record {name} has the unit {text!r} in lead {lead}; known are {', '.join(UNITS)}"
        )
    return UNITS[unit]


def judge_unit(name: str, samples: NDArray[np.floating[Any]]) -> tuple[float, str]:
    """The unit of samples that came without one, by their amplitude.

    Args:
        name: of the record, for messages.
        samples: (n_leads, n_times).

    Returns:
        The factor to mV, and a note that says what was taken.

    Raises:
        DataError: the amplitude fits neither mV nor µV.
    """
    size = amplitude(samples)
    found = f"the middle lead's amplitude is {size:.3g}"
    if LOWEST_MV <= size <= HIGHEST_MV:
        return 1.0, f"no unit in the file: taken as mV ({found})"
    if LOWEST_MV <= size / 1e3 <= HIGHEST_MV:
        return 1e-3, f"no unit in the file: taken as uV ({found})"
    if size == 0:
        raise DataError(f"record {name} has no signal: its leads are flat")
    likely = " (an ECG in V has such values)" if LOWEST_MV <= size * 1e3 <= HIGHEST_MV else ""
    raise DataError(
        f"record {name} doesn't say its unit, and {found}, which fits neither mV nor "
        f"uV{likely}: give it with --unit"
    )


def amplitude(samples: NDArray[np.floating[Any]]) -> float:
    """Peak to peak of the middle lead, without the largest and smallest thousandth.

    NaN where no lead has a value.
    """
    sizes = []
    for lead in samples:
        values = lead[np.isfinite(lead)]
        if values.size:
            low, high = np.quantile(values, (0.001, 0.999))
            sizes.append(high - low)
    return float(np.median(sizes)) if sizes else 0.0
