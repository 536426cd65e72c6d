"""What an ECG machine prints: rate, PR, QRS, QT, QTc by two formulas, axis."""

from dataclasses import dataclass, replace

import numpy as np

from heart_reader.data.delineation.delineate import Delineation
from heart_reader.data.delineation.extract import global_measurements
from heart_reader.data.delineation.measurements import lead_measurements


@dataclass(frozen=True)
class MainMeasurements:
    """One record's main measurements, NaN where there is none.

    Intervals are global, between the edges of :mod:`edges`: not those of the features, which
    follow PTB-XL+.
    """

    rate_bpm: float
    pr_ms: float
    qrs_ms: float
    qt_ms: float
    qtc_ms: float  # Fridericia's, under the name it had before there were two
    qtc_fridericia_ms: float  # QT / cube root of RR in s; Acta Med Scand 1920;53:469-486
    qtc_bazett_ms: float  # QT / square root of RR in s; Heart 1920;7:353-370
    qrs_axis_degrees: float


def main_measurements(delineation: Delineation) -> tuple[MainMeasurements, ...]:
    """What an ECG machine prints, for each record."""
    edges, ms = delineation.edges, 1000 / delineation.fs
    leads = lead_measurements(delineation.median_beats, edges)
    found = global_measurements(replace(delineation, fiducials=edges), leads)
    rr = found["RR_Mean_Global"] / 1000  # s
    qt = (edges.t_off - edges.qrs_on) * ms
    columns = (
        found["HR__Global"],
        (edges.qrs_on - edges.p_on) * ms,
        (edges.qrs_off - edges.qrs_on) * ms,
        qt,
        qt / np.cbrt(rr),
        qt / np.cbrt(rr),
        qt / np.sqrt(rr),
        found["QRS_AxisFront_Global"],
    )
    return tuple(MainMeasurements(*map(float, row)) for row in zip(*columns, strict=True))
