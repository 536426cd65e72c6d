"""Where each lead of an ECG lies on paper, to scale and without one wave in another's way.

Rows stand apart by what is on them: a row of tall waves gets more room, a flat one less. What
doesn't fit the room at 10 mm/mV is drawn at 5 or 2.5 mm/mV, and says so. Millimetres throughout;
heights are from the paper's lower edge.

AHA/ACC/HRS, "Recommendations for the Standardization and Interpretation of the Electrocardiogram",
Part I, 2007. https://doi.org/10.1016/j.jacc.2007.01.024
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heart_reader.data.ptbxl import LEADS
from heart_reader.errors import DataError
from heart_reader.evaluation.sheets.arrangement import STRIP_S, Layout

Floats = npt.NDArray[np.float64]

MM_PER_S = 25.0
GAINS_MM_PER_MV = (10.0, 5.0, 2.5)
TRACE_LEFT_MM = 15.0  # the calibration pulse stands before it
PAPER_WIDTH_MM = TRACE_LEFT_MM + STRIP_S * MM_PER_S + 5.0
BIN_MM = 2.0  # of width: how finely traces of two rows are kept apart
APART_MM = 1.5  # between what is on two rows, and to the paper's edges
NAME_MM = (8.0, 3.5)  # width and height of a lead's name
LOOSE_MM, TIGHT_MM = 5.0, 1.0  # rooms are multiples of these; tight before the gain is halved
PULSE_ROOM_MM = 11.5  # of a calibration pulse of 10 mm over the first row
TIGHT = 0.6  # of a layout's own spacing and edges


@dataclass(frozen=True)
class Trace:
    """A piece of one lead where it lies on the paper: samples ``start`` to ``stop``, in mm."""

    lead: str
    row: int
    left_mm: float
    start: int
    stop: int
    x_mm: Floats
    y_mm: Floats


@dataclass(frozen=True)
class Placed:
    """A whole ECG on its paper.

    Attributes:
        traces: row by row.
        names: of the same leads: left and lower edge of each.
        middles: height of each row's level.
        height_mm: of the paper.
        mm_per_mv: the gain.
        cut: leads that reach beyond the paper even at the smallest gain.
    """

    traces: tuple[Trace, ...]
    names: tuple[tuple[float, float], ...]
    middles: tuple[float, ...]
    height_mm: float
    mm_per_mv: float
    cut: tuple[str, ...]


def place(
    signal: npt.ArrayLike, fs: float, layout: Layout, least_mm: float, most_mm: float
) -> Placed:
    """Where everything goes at the largest gain that fits.

    A lead's median lies on the level of its row, as if its electrode offset had been filtered
    away; what is longer than 10 s is cut.

    Args:
        signal: (12, n_times) in mV.
        fs: Hz.
        layout: of `arranged`.
        least_mm, most_mm: height of the paper.

    Raises:
        DataError: a signal that is not (12, n_times), or a rate that is not above 0.
    """
    checked = _checked(signal, fs)
    for gain in GAINS_MM_PER_MV:
        pieces = _pieces(checked, fs, layout, gain)
        names = [_name_height(piece, layout.name_mm) for piece in pieces]
        for step in (LOOSE_MM, TIGHT_MM):
            top, gaps, bottom = _room(pieces, names, layout, step)
            needed = top + sum(gaps) + bottom
            if needed <= most_mm:
                height = max(least_mm, _up_to(LOOSE_MM, needed))
                return _stand(pieces, names, top, gaps, bottom, height, gain)
    shrunk = (most_mm - 2 * layout.edge_mm) / max(len(layout.rows) - 1, 1)
    edge, gaps = layout.edge_mm, [shrunk] * len(gaps)
    return _stand(pieces, names, edge, gaps, edge, most_mm, GAINS_MM_PER_MV[-1])


def _checked(signal: npt.ArrayLike, fs: float) -> Floats:
    checked = np.asarray(signal, dtype=np.float64)
    if checked.ndim != 2 or len(checked) != len(LEADS) or checked.shape[1] < 2:
        raise DataError(f"an ECG sheet needs a signal of (12, n_times), got {checked.shape}")
    if not fs > 0:
        raise DataError(f"fs must be above 0 Hz, but is {fs}")
    return checked


def _pieces(signal: Floats, fs: float, layout: Layout, gain: float) -> list[Trace]:
    """The traces, each as if its row's level were 0."""
    return [
        _piece(signal, fs, lead, row, _Share(column, len(leads), layout.simultaneous), gain)
        for row, leads in enumerate(layout.rows)
        for column, lead in enumerate(leads)
    ]


@dataclass(frozen=True)
class _Share:
    """Which part of a strip a lead has, and whether its time begins anew in it."""

    column: int
    n_columns: int
    simultaneous: bool


def _piece(signal: Floats, fs: float, lead: str, row: int, share: _Share, gain: float) -> Trace:
    duration = STRIP_S / share.n_columns
    first = 0 if share.simultaneous else share.column
    start = round(first * duration * fs)
    stop = min(round((first + 1) * duration * fs), signal.shape[1])
    whole = signal[LEADS.index(lead)]
    known = whole[np.isfinite(whole)]
    level = np.median(known) if known.size else 0.0
    moved = (share.column - first) * duration * MM_PER_S
    return Trace(
        lead=lead,
        row=row,
        left_mm=TRACE_LEFT_MM + share.column * duration * MM_PER_S,
        start=start,
        stop=stop,
        x_mm=TRACE_LEFT_MM + moved + np.arange(start, stop) / fs * MM_PER_S,
        y_mm=(whole[start:stop] - level) * gain,
    )


def _name_height(piece: Trace, usual: float) -> float:
    """Lower edge of a lead's name over its row's level: above every wave that it stands over."""
    under = (piece.x_mm < piece.left_mm + NAME_MM[0] + 1) & np.isfinite(piece.y_mm)
    highest = float(piece.y_mm[under].max()) if under.any() else 0.0
    return max(usual, highest + 1.0)


# ---------------------------------------------------------------- rows


def _room(
    pieces: Sequence[Trace], names: Sequence[float], layout: Layout, step: float
) -> tuple[float, list[float], float]:
    """Room over the first row, between rows, and under the last one, in multiples of a step."""
    share = 1.0 if step == LOOSE_MM else TIGHT
    n_rows = len(layout.rows)
    lower, upper = _profiles(pieces, names, n_rows)
    gaps = [
        max(
            layout.spacing_mm * share,
            _up_to(step, float((upper[row + 1] - lower[row]).max()) + APART_MM),
        )
        for row in range(n_rows - 1)
    ]
    edge = layout.edge_mm * share
    top = max(edge, PULSE_ROOM_MM, _up_to(step, float(upper[0].max()) + APART_MM))
    bottom = max(edge, _up_to(step, float(-lower[-1].min()) + APART_MM))
    return top, gaps, bottom


def _profiles(
    pieces: Sequence[Trace], names: Sequence[float], n_rows: int
) -> tuple[Floats, Floats]:
    """The lowest and the highest of each row, (n_rows, n_bins) along the paper's width."""
    n_bins = int(PAPER_WIDTH_MM / BIN_MM) + 1
    lower, upper = np.zeros((n_rows, n_bins)), np.zeros((n_rows, n_bins))
    for piece, name in zip(pieces, names, strict=True):
        known = np.isfinite(piece.y_mm)
        bins, y = (piece.x_mm[known] / BIN_MM).astype(int), piece.y_mm[known]
        for shift in (-1, 0, 1):  # neighbours too: waves of two leads peak at different times
            at = np.clip(bins + shift, 0, n_bins - 1)
            np.minimum.at(lower[piece.row], at, y)
            np.maximum.at(upper[piece.row], at, y)
        under = slice(int(piece.left_mm / BIN_MM), int((piece.left_mm + NAME_MM[0]) / BIN_MM) + 1)
        upper[piece.row, under] = np.maximum(upper[piece.row, under], name + NAME_MM[1])
    return lower, upper


def _up_to(step: float, x: float) -> float:
    return float(np.ceil(x / step - 1e-9) * step)


def _stand(
    pieces: Sequence[Trace],
    names: Sequence[float],
    top: float,
    gaps: Sequence[float],
    bottom: float,
    height: float,
    gain: float,
) -> Placed:
    """Levels, from the top down; what room is left is between the rows, and at both edges."""
    spare = height - top - sum(gaps) - bottom
    shares = len(gaps) if len(gaps) > 2 else len(gaps) + 2  # few rows stand in the middle
    gaps = [gap + np.floor(spare / shares / 5) * 5 for gap in gaps]
    spare = height - top - sum(gaps) - bottom
    first = height - top - np.floor(spare / 10) * 5
    middles = first - np.concatenate([[0.0], np.cumsum(gaps)])
    traces = tuple(
        Trace(p.lead, p.row, p.left_mm, p.start, p.stop, p.x_mm, p.y_mm + middles[p.row])
        for p in pieces
    )
    places = tuple(
        (piece.left_mm + 1.0, float(middles[piece.row] + name))
        for piece, name in zip(pieces, names, strict=True)
    )
    beyond = {t.lead for t in traces if (t.y_mm < 0).any() or (t.y_mm > height).any()}
    cut = tuple(lead for lead in LEADS if lead in beyond)
    return Placed(traces, places, tuple(middles.tolist()), height, gain, cut)
