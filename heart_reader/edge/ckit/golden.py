"""Golden vectors: synthetic records and the answers that a right build gives to them.

No patient's ECG goes into a device folder: records come from the demo's generator.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.demo.patients import draw_patients
from heart_reader.data.demo.tree import synthesize
from heart_reader.data.features import FeatureEncoder
from heart_reader.data.ptbxl import LEADS, SAMPLING_RATE
from heart_reader.data.recordings.resampling import resampled
from heart_reader.data.spec import SignalSpec
from heart_reader.edge.ckit.emit import MADE, array_of
from heart_reader.edge.ckit.reference import Answers
from heart_reader.edge.sample import Array
from heart_reader.evaluation.trust.calibrator import Calibrator

N_ECGS = 7  # and a record each of noise, of a flat line, and of far too large a signal
N_RECORDS = N_ECGS + 3
SEED = 19
RATES = (500, 360)  # Hz, at which a lead is resampled
RATE_SECONDS = 2
FLAT = 2  # HR_FLAT of heart_reader.h

Microvolts = NDArray[np.int16]


@dataclass(frozen=True)
class Records:
    """What goes in.

    Attributes:
        microvolts: (n, n_leads, n_times); divided by 1000 in float32 they are the signal.
        features, mask: as of `edge.contract`.
    """

    microvolts: Microvolts
    features: Array
    mask: Array

    def feed(self) -> dict[str, Array]:
        """Inputs of the model by name."""
        return {"signal": self.signal, "features": self.features, "mask": self.mask}

    @property
    def signal(self) -> Array:
        """Millivolts."""
        return self.microvolts.astype(np.float32) / np.float32(1000)


def golden_records(spec: SignalSpec, encoder: FeatureEncoder | None) -> Records:
    """Records of a model's shape, the same every time."""
    rng = np.random.default_rng(SEED)
    ecgs = _as_spec(_ecgs(rng), spec)  # (N_ECGS, n_leads, n_times) uV
    noise = rng.normal(0, 300, (1, *spec.shape))
    flat = np.full((1, *spec.shape), 120.0)
    large = np.clip(ecgs[:1] * 40, -32768, 32767)
    microvolts = np.rint(np.concatenate([ecgs, noise, flat, large])).clip(-32768, 32767)
    if encoder is None:
        nothing = np.zeros((N_RECORDS, 0), np.float32)
        return Records(microvolts.astype(np.int16), nothing, nothing)
    share = rng.random((N_RECORDS, len(encoder.names)))
    values = encoder.low + share * (encoder.high - encoder.low) * 1.2
    mask = (rng.random(values.shape) < 0.8).astype(np.float32)
    mask[-1] = 0
    return Records(microvolts.astype(np.int16), (values * mask).astype(np.float32), mask)


def _ecgs(rng: np.random.Generator) -> NDArray[np.float64]:
    """(N_ECGS, 12, 1000) uV at 100 Hz."""
    signals, _ = synthesize(draw_patients(N_ECGS, rng), np.arange(N_ECGS), rng)
    return signals.astype(np.float64).transpose(0, 2, 1)


def _as_spec(signals: NDArray[np.float64], spec: SignalSpec) -> NDArray[np.float64]:
    """At its rate and length, its leads in order; one that isn't of the twelve is lead I."""
    rows = [LEADS.index(lead) if lead in LEADS else 0 for lead in spec.leads]
    signals = signals[:, rows]
    if spec.fs != SAMPLING_RATE:
        signals = np.stack([resampled(each, SAMPLING_RATE, spec.fs) for each in signals])
    times = np.arange(spec.n_times) % signals.shape[2]  # a longer record begins anew
    return np.asarray(signals[:, :, times])


# ---------------------------------------------------------------- as C


_HEADER = """{made}#ifndef HR_GOLDEN_H
#define HR_GOLDEN_H

#include "hr_model.h"

#define HR_N_GOLDEN {n}
#define HR_N_GOLDEN_RATES {n_rates}
#define HR_GOLDEN_TAPS {n_taps}
#define HR_GOLDEN_RESAMPLED {n_resampled}

/* Synthetic ECGs, noise, a flat line, and a signal far too large. */
void hr_golden_signal(int32_t record, float *millivolts);

typedef struct {{
    int32_t fs, n_in, n_out;
    const float *in, *out; /* one lead at fs Hz, and at HR_FS */
}} hr_golden_rate;

extern const float hr_golden_features[], hr_golden_mask[]; /* where the model reads features */
extern const int8_t hr_golden_codes[];
extern const float hr_golden_raw[], hr_golden_calibrated[];
extern const int8_t hr_golden_status[];
extern const hr_golden_rate hr_golden_rates[HR_N_GOLDEN_RATES];

#endif
"""

_SOURCE = """{made}#include "hr_golden.h"

{arrays}
void hr_golden_signal(int32_t record, float *millivolts)
{{
    const int32_t n = HR_N_LEADS * HR_N_TIMES;
    for (int32_t i = 0; i < n; i++) millivolts[i] = (float)microvolts[record * n + i] / 1000.0f;
}}

const hr_golden_rate hr_golden_rates[HR_N_GOLDEN_RATES] = {{
{rates}
}};
"""


@dataclass(frozen=True)
class Golden:
    """Records and what is answered to them."""

    records: Records
    answers: Answers
    calibrator: Calibrator | None
    spec: SignalSpec

    def leads_at(self, fs: int) -> tuple[Array, Array]:
        """The first record's first lead at another rate, and from there at the model's."""
        n = RATE_SECONDS * self.spec.fs
        lead = self.records.signal[0, :1, :n].astype(np.float64)
        before = resampled(lead, self.spec.fs, fs).astype(np.float32)
        return before[0], resampled(before, fs, self.spec.fs).astype(np.float32)[0]


def header(golden: Golden, source: str) -> str:
    """hr_golden.h."""
    slower = max(max(fs, golden.spec.fs) // np.gcd(fs, golden.spec.fs) for fs in RATES)
    return _HEADER.format(
        made=MADE.format(source=source),
        n=N_RECORDS,
        n_rates=len(RATES),
        n_taps=20 * slower + 1,
        n_resampled=max(len(golden.leads_at(fs)[1]) for fs in RATES),
    )


def source(golden: Golden, source: str) -> str:
    """hr_golden.c."""
    answers, records = golden.answers, golden.records
    calibrated = answers.probabilities
    if golden.calibrator is not None:
        calibrated = golden.calibrator.apply(calibrated)
    status = np.where(_is_flat(records.signal), FLAT, 0).astype(np.int8)
    arrays = [
        array_of("microvolts", records.microvolts),
        array_of("hr_golden_codes", answers.codes, "const "),
        array_of("hr_golden_raw", answers.probabilities, "const "),
        array_of("hr_golden_calibrated", calibrated, "const "),
        array_of("hr_golden_status", status, "const "),
    ]
    if records.features.size:
        arrays.append(array_of("hr_golden_features", records.features, "const "))
        arrays.append(array_of("hr_golden_mask", records.mask, "const "))
    rows = []
    for fs in RATES:
        before, behind = golden.leads_at(fs)
        arrays += [array_of(f"at_{fs}", before), array_of(f"from_{fs}", behind)]
        rows.append(f"    {{{fs}, {len(before)}, {len(behind)}, at_{fs}, from_{fs}}},")
    made = MADE.format(source=source)
    return _SOURCE.format(made=made, arrays="\n".join(arrays), rates="\n".join(rows))


def _is_flat(signal: Array) -> NDArray[np.bool_]:
    """By the rule of a device folder's example."""
    return np.asarray(np.median(np.ptp(signal, axis=2), axis=1) < np.float32(0.05))
