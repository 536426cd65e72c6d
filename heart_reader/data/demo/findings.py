"""How a healthy beat looks in the demo, and what each SCP statement does to it.

The criteria that the changes imitate are those of the AHA/ACCF/HRS recommendations for the
standardization and interpretation of the electrocardiogram (Circulation 2009, parts III to VI).
Each change grows with a severity between 0 (not to be seen) and 1 (classical).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from heart_reader.data.demo.ecg import Beats, Event, Floats

Rows = npt.NDArray[np.integer]
Change = Callable[[Beats, Rows, Floats], None]

# time ms, width ms, dipole mV (left, down, back)
_HEALTHY = {
    Event.P_RIGHT: (-160, 18, (0.04, 0.09, -0.05)),
    Event.P_LEFT: (-135, 20, (0.07, 0.05, 0.05)),
    Event.SEPTUM: (-24, 8, (-0.16, -0.03, -0.28)),
    Event.INFARCT: (-20, 13, (0.0, 0.0, 0.0)),
    Event.R: (0, 11, (1.15, 0.60, 0.24)),
    Event.R_SECOND: (45, 16, (0.0, 0.0, 0.0)),
    Event.S: (25, 10, (-0.20, -0.12, 0.50)),
    Event.ST: (110, 40, (0.0, 0.0, 0.0)),
    Event.T_RISE: (225, 50, (0.13, 0.09, -0.09)),
    Event.T_FALL: (270, 32, (0.19, 0.14, -0.12)),
}
_QRS = [Event.SEPTUM, Event.INFARCT, Event.R, Event.R_SECOND, Event.S]
_T = [Event.T_RISE, Event.T_FALL]

# where the wall that an infarct or ischaemia takes looks to: left, down, back
_INFERIOR = np.array([0.1, 0.95, 0.2])
_SEPTAL = np.array([0.05, 0.0, -1.0])
_ANTERIOR = np.array([0.45, -0.05, -0.85])
_ANTEROLATERAL = np.array([0.85, -0.25, -0.45])
_LATERAL = np.array([0.95, -0.35, 0.1])
_INFEROLATERAL = np.array([0.6, 0.75, 0.2])


def healthy_beats(n: int, rng: np.random.Generator) -> Beats:
    """``n`` healthy hearts, no two alike: axes, amplitudes and intervals vary as in people."""
    table = [_HEALTHY[event] for event in Event]
    time = np.tile(np.array([row[0] for row in table]) / 1000, (n, 1))
    width = np.tile(np.array([row[1] for row in table]) / 1000, (n, 1))
    dipole = np.tile(np.array([row[2] for row in table]), (n, 1, 1))
    width *= rng.lognormal(0, 0.08, (n, 1)) * rng.lognormal(0, 0.06, width.shape)
    time[:, [Event.P_RIGHT, Event.P_LEFT]] += rng.normal(0, 0.018, (n, 1))
    time[:, _T] *= rng.normal(1, 0.05, (n, 1))
    dipole *= rng.lognormal(0, 0.22, (n, len(Event), 1))
    dipole += rng.normal(0, 0.02, dipole.shape) * (np.abs(dipole) > 0)
    dipole[:, _T] *= rng.lognormal(-0.05, 0.3, (n, 1, 1))
    dipole[:, Event.ST] = rng.normal(0, 0.02, (n, 3)) + np.array([0.01, 0.01, -0.03])
    _rotate(dipole, _QRS, rng.normal(0, 20, n), rng.normal(0, 14, n))
    _rotate(dipole, _T, rng.normal(0, 10, n), rng.normal(0, 14, n))
    return Beats(time, width, dipole)


def _rotate(dipole: Floats, events: list[Event], frontal: Floats, horizontal: Floats) -> None:
    """Turn ``events`` by degrees: frontal to the feet, horizontal to the back."""
    a, b = np.deg2rad(frontal)[:, None], np.deg2rad(horizontal)[:, None]
    x, y, z = (dipole[:, events, axis] for axis in range(3))
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    x, z = x * np.cos(b) - z * np.sin(b), x * np.sin(b) + z * np.cos(b)
    dipole[:, events] = np.stack([x, y, z], axis=-1)


def _blend(beats: Beats, rows: Rows, event: Event, target: Floats, share: Floats) -> None:
    """Move an event's dipole the given share of the way to ``target``, at its own size."""
    now = beats.dipole[rows, event]
    beats.dipole[rows, event] = now + share[:, None] * (target - now)


def _infarct(wall: Floats, acute: float) -> Change:
    """Q waves over the wall, less R, ST elevation (by ``acute``), T inversion."""

    def change(beats: Beats, rows: Rows, s: Floats) -> None:
        s = s[:, None]
        beats.dipole[rows, Event.INFARCT] -= (0.15 + 0.75 * s) * wall
        beats.width[rows, Event.INFARCT] *= 1 + 0.25 * s[:, 0]
        r = beats.dipole[rows, Event.R]
        towards = np.maximum((r * wall).sum(1, keepdims=True), 0)
        beats.dipole[rows, Event.R] = r - 0.35 * s * towards * wall
        septum = beats.dipole[rows, Event.SEPTUM]
        towards = np.maximum((septum * wall).sum(1, keepdims=True), 0)
        beats.dipole[rows, Event.SEPTUM] = septum - 0.9 * s * towards * wall
        beats.dipole[rows, Event.ST] += acute * s * wall
        for event, size in ((Event.T_RISE, 0.14), (Event.T_FALL, 0.24)):
            beats.dipole[rows, event] -= (1 - acute) * size * s * wall

    return change


def _ischaemia(wall: Floats, st: float, t: float) -> Change:
    """ST depression and T inversion over the wall."""

    def change(beats: Beats, rows: Rows, s: Floats) -> None:
        s = s[:, None]
        beats.dipole[rows, Event.ST] -= st * (0.25 + s) * wall
        beats.dipole[rows, Event.T_RISE] -= 0.35 * t * (0.2 + s) * wall
        beats.dipole[rows, Event.T_FALL] -= 0.65 * t * (0.2 + s) * wall

    return change


def _flat_t(beats: Beats, rows: Rows, s: Floats) -> None:
    for event in _T:
        beats.dipole[rows, event] *= (0.6 - 0.9 * s)[:, None]


def _long_qt(beats: Beats, rows: Rows, s: Floats) -> None:
    for event in _T:
        beats.time[rows, event] *= 1.12 + 0.2 * s
        beats.width[rows, event] *= 1.05 + 0.2 * s


def _left_bundle(beats: Beats, rows: Rows, s: Floats) -> None:
    """Broad notched R to the left and back, no septal wave, ST and T against the QRS."""
    beats.dipole[rows, Event.SEPTUM] *= (1 - s)[:, None]
    beats.dipole[rows, Event.S] *= (1 - 0.7 * s)[:, None]
    beats.width[rows, Event.R] *= 1 + 0.7 * s
    _blend(beats, rows, Event.R, np.array([0.75, 0.35, 0.75]), s)
    beats.time[rows, Event.R_SECOND] = 0.04 + 0.015 * s
    beats.width[rows, Event.R_SECOND] = 0.016 + 0.006 * s
    beats.dipole[rows, Event.R_SECOND] += s[:, None] * np.array([0.75, 0.05, 0.6])
    against = np.array([-0.25, -0.05, -0.25])
    beats.dipole[rows, Event.ST] += 0.4 * s[:, None] * against
    for event in _T:
        beats.time[rows, event] += 0.04 * s
        _blend(beats, rows, event, against * (0.7 if event is Event.T_RISE else 1.0), 0.9 * s)


def _right_bundle(size: float, late: float) -> Change:
    """A late wave to the right and front: rsR' in V1, a broad S in I and V6."""

    def change(beats: Beats, rows: Rows, s: Floats) -> None:
        part = 0.3 + 0.7 * s
        beats.dipole[rows, Event.S] *= (1 - 0.3 * size * part)[:, None]
        beats.time[rows, Event.R_SECOND] = late
        beats.width[rows, Event.R_SECOND] = 0.011 + 0.008 * size * part
        right_and_front = np.array([-0.6, -0.05, -0.55])
        beats.dipole[rows, Event.R_SECOND] += (size * part)[:, None] * right_and_front
        for event in _T:
            beats.time[rows, event] += 0.02 * size
            beats.dipole[rows, event] += (0.12 * size * part)[:, None] * np.array([0.2, 0.1, 1])

    return change


def _left_anterior_fascicle(beats: Beats, rows: Rows, s: Floats) -> None:
    part = (0.45 + 0.55 * s)[:, None]
    beats.dipole[rows, Event.SEPTUM] += part * np.array([-0.05, 0.22, 0.0])
    beats.dipole[rows, Event.R, 1] -= part[:, 0] * 1.35
    beats.dipole[rows, Event.S, 1] -= part[:, 0] * 0.35
    beats.width[rows, Event.R] *= 1 + 0.1 * s


def _slow_ventricle(beats: Beats, rows: Rows, s: Floats) -> None:
    for event in _QRS:
        beats.width[rows, event] *= 1.2 + 0.5 * s
        beats.time[rows, event] *= 1.2 + 0.5 * s


def _first_degree_block(beats: Beats, rows: Rows, s: Floats) -> None:
    for event in (Event.P_RIGHT, Event.P_LEFT):
        beats.time[rows, event] -= 0.04 + 0.11 * s


def _left_ventricle(beats: Beats, rows: Rows, s: Floats) -> None:
    """High voltages to the left and back; strain from the middle severities on."""
    part = 0.25 + 0.75 * s
    beats.dipole[rows, Event.R] *= (1 + 0.75 * part)[:, None]
    beats.dipole[rows, Event.R, 2] += 0.35 * part
    beats.dipole[rows, Event.S] *= (1 + 0.9 * part)[:, None]
    beats.width[rows, Event.R] *= 1 + 0.2 * part
    strain = np.clip((s - 0.45) * 1.8, 0, 1)
    _ischaemia(np.array([0.9, 0.2, 0.3]), 0.1, 0.55)(beats, rows[strain > 0], strain[strain > 0])


def _right_ventricle(beats: Beats, rows: Rows, s: Floats) -> None:
    part = 0.35 + 0.65 * s
    _blend(beats, rows, Event.R, np.array([-0.15, 0.75, -0.75]), part)
    _blend(beats, rows, Event.S, np.array([-0.6, -0.1, 0.1]), part)
    for event in _T:
        beats.dipole[rows, event] += (0.15 * part)[:, None] * np.array([0.1, -0.2, 0.8])


def _left_atrium(beats: Beats, rows: Rows, s: Floats) -> None:
    part = 0.4 + 0.6 * s
    beats.time[rows, Event.P_LEFT] += 0.025 * part
    beats.width[rows, Event.P_LEFT] *= 1 + 0.25 * part
    beats.dipole[rows, Event.P_LEFT] += part[:, None] * np.array([0.06, 0.04, 0.14])


CHANGES: dict[str, Change] = {
    "IMI": _infarct(_INFERIOR, 0.12),
    "ILMI": _infarct(_INFEROLATERAL, 0.12),
    "ASMI": _infarct(_SEPTAL, 0.2),
    "AMI": _infarct(_ANTERIOR, 0.25),
    "ALMI": _infarct(_ANTEROLATERAL, 0.2),
    "LMI": _infarct(_LATERAL, 0.12),
    "NDT": _flat_t,
    "NST_": _ischaemia(np.array([0.7, 0.5, -0.2]), 0.08, 0.12),
    "ISC_": _ischaemia(np.array([0.75, 0.4, -0.4]), 0.11, 0.5),
    "ISCAL": _ischaemia(_ANTEROLATERAL, 0.11, 0.6),
    "ISCIN": _ischaemia(_INFERIOR, 0.11, 0.55),
    "LNGQT": _long_qt,
    "CLBBB": _left_bundle,
    "CRBBB": _right_bundle(1.0, 0.058),
    "IRBBB": _right_bundle(0.55, 0.046),
    "LAFB": _left_anterior_fascicle,
    "IVCD": _slow_ventricle,
    "1AVB": _first_degree_block,
    "LVH": _left_ventricle,
    "RVH": _right_ventricle,
    "LAO/LAE": _left_atrium,
}
