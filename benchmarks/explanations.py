"""Do explanations point where a cardiologist looks, and does what they mark matter to the model?

    python -m benchmarks.explanations --data PTBXL --bundle pretrained/se_resnet1d [--records 20]

For some findings, records of fold 9 whose reader was sure and whose class the model finds,
explained in two ways, per wave of a lead over all beats: integrated gradients, which we use, and
occlusion (each wave in turn replaced by a straight line; captum's FeatureAblation).

- in leads: the share of what speaks for the class that lies in the leads of the finding; by chance
  it would be their number over 12;
- first: how often the strongest stretch lies in one of them;
- lost: the probability lost where the strongest stretch is flattened, and where equally long
  stretches of random leads at random times are;
- CPU seconds an explanation.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from captum.attr import FeatureAblation

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import Records, load_development
from heart_reader.data.delineation import delineate
from heart_reader.data.ptbxl import LEADS, N_TIMES, SUPERCLASSES, VALIDATION_FOLD
from heart_reader.evaluation.sheets.explanation import Span, Stretch, stretches, waves
from heart_reader.files import cache_folder
from heart_reader.reading.explain import LogOdds, explain

# Code -> its superclass, and the leads that show it.
FINDINGS = {
    "IMI": ("MI", ("II", "III", "aVF")),
    "ASMI": ("MI", ("V1", "V2", "V3", "V4")),
    "CLBBB": ("CD", ("I", "aVL", "V1", "V5", "V6")),
    "CRBBB": ("CD", ("I", "V1", "V2", "V6")),
}
N_RANDOM = 8
Spans = dict[str, tuple[Span, ...]]


@dataclass(frozen=True)
class Case:
    """One record: ``signal`` (n_leads, n_times) in mV, ``features`` raw, and its waves."""

    bundle: AnyBundle
    class_name: str
    signal: np.ndarray
    features: np.ndarray
    spans: Spans

    def probabilities(self, signals: Sequence[np.ndarray]) -> np.ndarray:
        """Of the class, for changed signals with the record's own features."""
        features = np.repeat(self.features[None], len(signals), axis=0)
        given = self.bundle.predict(np.stack(signals), features)
        return given[:, SUPERCLASSES.index(self.class_name)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--bundle", required=True, type=Path)
    parser.add_argument("--records", type=int, default=20, help="of each finding")
    options = parser.parse_args()
    config = load_config("default", {"data": options.data})
    records = load_development(config.data, config.task, config.features, cache_folder())
    bundle = open_bundle(options.bundle)
    ways = {"gradients": by_gradients, "occlusion": by_occlusion}
    head = f"{'finding':9}{'way':11}{'records':>8}{'in leads':>10}{'chance':>8}{'first':>7}"
    print(f"{head}{'lost':>7}{'random':>8}{'CPU s':>7}")
    for code, (class_name, leads) in FINDINGS.items():
        cases = cases_of(code, class_name, records, bundle, options.records)
        for name, way in ways.items():
            print(f"{code:9}{name:11}{row(cases, leads, way)}", flush=True)


def cases_of(
    code: str, class_name: str, records: Records, bundle: AnyBundle, n_records: int
) -> list[Case]:
    """The first records of fold 9 whose reader was sure of a finding, and that the model finds."""
    k = SUPERCLASSES.index(class_name)
    rows = records.rows((VALIDATION_FOLD,))
    sure = records.metadata["scp_codes"].iloc[rows].map(lambda codes: codes.get(code, 0) >= 100)
    rows = rows[sure.to_numpy(bool)]
    signals, features = records.millivolts(rows), records.features.values[rows]
    found = bundle.predict(signals, features)[:, k] >= bundle.thresholds[k]
    signals, features = signals[found][:n_records], features[found][:n_records]
    delineation = delineate(signals, records.pack.fs)
    return [
        Case(bundle, class_name, signals[i], features[i], waves(delineation, i))
        for i in range(len(signals))
    ]


def row(cases: Sequence[Case], leads: Sequence[str], way: Callable[[Case], list[Stretch]]) -> str:
    """What came out for a finding, one way."""
    rng = np.random.default_rng(0)
    shares, firsts, marked, random = [], [], [], []
    started = time.process_time()
    explained = [way(case) for case in cases]
    seconds = (time.process_time() - started) / len(cases)
    for case, found in zip(cases, explained, strict=True):
        speaking = [each for each in found if each.log_odds > 0]
        total = sum(each.log_odds for each in speaking)
        shares.append(sum(each.log_odds for each in speaking if each.lead in leads) / total)
        first = max(speaking, key=lambda each: each.log_odds)
        firsts.append(first.lead in leads)
        changed = [case.signal, flattened(case.signal, LEADS.index(first.lead), first.spans)]
        changed += [elsewhere(case.signal, first.spans, rng) for _ in range(N_RANDOM)]
        p = case.probabilities(changed)
        marked.append(p[0] - p[1])
        random.append(p[0] - p[2:].mean())
    return (
        f"{len(cases):8}{np.mean(shares):10.0%}{len(leads) / len(LEADS):8.0%}"
        f"{np.mean(firsts):7.0%}{np.mean(marked):7.3f}{np.mean(random):8.3f}{seconds:7.2f}"
    )


def flattened(signal: np.ndarray, lead: int, spans: Sequence[Span]) -> np.ndarray:
    """A straight line in place of each span."""
    out = signal.copy()
    for start, stop in spans:
        ends = signal[lead, max(start - 1, 0)], signal[lead, min(stop, N_TIMES - 1)]
        out[lead, start:stop] = np.linspace(*ends, stop - start)
    return out


def elsewhere(signal: np.ndarray, spans: Sequence[Span], rng: np.random.Generator) -> np.ndarray:
    """Equally long stretches of one random lead flattened at random times."""
    lengths = [stop - start for start, stop in spans]
    starts = rng.integers(0, N_TIMES - max(lengths), len(lengths))
    moved = [(int(s), int(s + n)) for s, n in zip(starts, lengths, strict=True)]
    return flattened(signal, int(rng.integers(len(LEADS))), moved)


# ---------------------------------------------------------------- the two ways


def by_gradients(case: Case) -> list[Stretch]:
    """Integrated gradients, summed over each wave of each lead."""
    (found,) = explain(case.bundle, case.signal, case.features, [case.class_name])
    return stretches(found, case.spans)


def by_occlusion(case: Case) -> list[Stretch]:
    """What each wave of each lead takes along when it is flattened in all beats."""
    log_odds = LogOdds(case.bundle)
    encoded = [
        torch.from_numpy(member.encoder.encode(case.features[None])[0])
        for member in log_odds.members
        if member.encoder is not None
    ]
    mask, flat = np.zeros(case.signal.shape, np.int64), case.signal.copy()
    groups = [(wave, lead) for wave in case.spans for lead in range(len(LEADS))]
    for number, (wave, lead) in enumerate(groups, 1):
        flat[lead] = flattened(flat, lead, case.spans[wave])[lead]
        for start, stop in case.spans[wave]:
            mask[lead, start:stop] = number

    def odds(signals: torch.Tensor) -> torch.Tensor:
        return log_odds(signals, *(each.expand(len(signals), -1) for each in encoded))

    signal, base = (
        torch.as_tensor(each[None], dtype=torch.float32) for each in (case.signal, flat)
    )
    with torch.no_grad():
        lost = FeatureAblation(odds).attribute(
            signal,
            base,
            target=SUPERCLASSES.index(case.class_name),
            feature_mask=torch.from_numpy(mask[None]),
            perturbations_per_eval=16,
        )[0]
    found = []
    for number, (wave, lead) in enumerate(groups, 1):
        inside = lost.numpy()[mask == number]
        value = float(inside[0]) if inside.size else 0.0
        found.append(Stretch(LEADS[lead], wave, value, case.spans[wave]))
    return sorted(found, key=lambda each: -abs(each.log_odds))


if __name__ == "__main__":
    main()
