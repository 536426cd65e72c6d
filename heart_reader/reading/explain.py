"""What moved a probability: which samples of which lead, and which structured features.

Integrated gradients of the log-odds, from a normal ECG with the record's rhythm to the record:
what each input added on the way, so that all of it adds up to the difference of the two log-odds.

Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017.
https://arxiv.org/abs/1703.01365
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from heart_reader.bundle.ensemble import KIND
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.single import Bundle
from heart_reader.data.checks import require_signals
from heart_reader.data.dataset import Records
from heart_reader.data.delineation import delineate
from heart_reader.data.features import as_twelve
from heart_reader.evaluation.examples import best_and_worst
from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.report import abouts, by_class, record_name
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.sheets.explained import explained_sheet
from heart_reader.evaluation.sheets.explanation import Explanation
from heart_reader.evaluation.trust.calibrator import EDGE, ISOTONIC, OWN_SHARE, Curve
from heart_reader.evaluation.trust.trust import NOTHING, Trust
from heart_reader.models.views import logits_and_vector
from heart_reader.reading.usual import Usual, usual_ecg, usual_features
from heart_reader.tasks.task import class_key

N_STEPS = 64  # of the integral, Gauss-Legendre; what they leave out is `Explanation.delta`
BATCH = 8  # steps a pass: their activations lie in memory together


class LogOdds:
    """The log-odds of a bundle's probabilities as a function that has gradients.

    Inputs are a signal in mV and, for each member that reads features, its encoded ones.

    Args:
        bundle: one model or an ensemble.
        length: samples that are the record's own, for members that ignore the others.
    """

    def __init__(self, bundle: AnyBundle, length: int | None = None) -> None:
        self.members, self.length = bundle.members, length
        self.whole = bundle.trust if bundle.kind == KIND else NOTHING
        self.log_weights = torch.as_tensor(bundle.weights, dtype=torch.float32).log()

    def __call__(self, signal: Tensor, *encoded: Tensor) -> Tensor:
        """(n, n_classes), of signals (n, n_leads, n_times)."""
        left = iter(encoded)
        logits = []
        for member in self.members:
            own = next(left, None) if member.encoder is not None else None
            length = self.length if member.padded else None
            lengths = None if length is None else torch.full((len(signal),), length)
            said, _ = logits_and_vector(
                member.model, member.normaliser, member.views, signal, own, None, lengths
            )
            logits.append(calibrated(member.trust, mean_log_odds(said)))
        stacked = torch.stack(logits)  # (n_members, n, n_classes)
        weights = self.log_weights[:, None]
        return calibrated(self.whole, _mixed(stacked, weights))  # (n, n_classes)


def _mixed(odds: Tensor, log_weights: Tensor) -> Tensor:
    """Log-odds (n, n_classes) of the mean probability that some log-odds (m, n, n_classes) are."""
    present = torch.logsumexp(log_weights + torch.nn.functional.logsigmoid(odds), 0)
    absent = torch.logsumexp(log_weights + torch.nn.functional.logsigmoid(-odds), 0)
    return present - absent


def mean_log_odds(said: list[tuple[float, Tensor]]) -> Tensor:
    """Log-odds (n, n_classes) of what several views of a record say together."""
    if len(said) == 1:
        return said[0][1]
    shares = torch.tensor([share for share, _ in said]).log()[:, None, None]
    return _mixed(torch.stack([each for _, each in said]), shares)


def calibrated(trust: Trust, odds: Tensor) -> Tensor:
    """Log-odds (n, n_classes) as a calibrator has them, with gradients."""
    if trust.calibrator is None:
        return odds
    columns = zip(trust.calibrator.curves, odds.unbind(1), strict=True)
    return torch.stack([_through(curve, column) for curve, column in columns], 1)


def _through(curve: Curve, odds: Tensor) -> Tensor:
    if curve.method != ISOTONIC:
        return curve.slope * odds + curve.offset
    p = torch.sigmoid(odds)
    x, y = (torch.tensor(knots, dtype=p.dtype) for knots in (curve.x, curve.y))
    right = torch.searchsorted(x, p.detach()).clamp(1, len(x) - 1)
    share = ((p - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
    line = y[right - 1] + share * (y[right] - y[right - 1])
    return torch.logit((1 - OWN_SHARE) * line + OWN_SHARE * p, EDGE)


def explain(
    bundle: AnyBundle,
    signal: NDArray[np.floating[Any]],
    features: NDArray[np.float32] | None,
    class_names: Sequence[str],
    usual: Usual | None = None,
    length: int | None = None,
) -> list[Explanation]:
    """Why a record has its probabilities, one explanation for each of some classes.

    Args:
        bundle: one model or an ensemble.
        signal: mV (n_leads, n_times), as the bundle's spec says.
        features: raw (n_features,), as `measure` gives them; ``None``: the model went without.
        class_names: of the task.
        usual: where the path starts; ``None``: `usual_ecg` of the record.
        length: samples that are the record's own; ``None``: all are.

    Raises:
        DataError: a bad signal, or another number of features than the model reads.
    """
    require_signals(signal[None], bundle.spec)
    log_odds = LogOdds(bundle, length)
    inputs = (_tensor(signal), *_encoded(log_odds.members, features))
    start = usual_ecg(signal, bundle.spec) if usual is None else usual
    baselines = (_tensor(start.signal), *_usual_encoded(log_odds.members, start, len(inputs) - 1))
    with torch.no_grad():
        here, before = (torch.sigmoid(log_odds(*x))[0] for x in (inputs, baselines))
    found = []
    for name in class_names:
        k = bundle.task.classes.index(name)
        parts, delta = IntegratedGradients(log_odds).attribute(
            inputs,
            baselines,
            target=k,
            n_steps=N_STEPS,
            internal_batch_size=BATCH,
            return_convergence_delta=True,
        )
        added = parts[0].numpy().astype(np.float64)  # (1, n_leads, n_times)
        names, moved = _by_feature(bundle, parts[1:])
        values = np.empty(0, np.float32) if not names or features is None else features
        found.append(
            Explanation(
                name,
                float(here[k]),
                float(before[k]),
                start.name,
                np.nan_to_num(as_twelve(added, bundle.spec.leads))[0],  # (12, n_times)
                moved,
                names,
                values,
                float(delta),
                bundle.spec.fs,
            )
        )
    return found


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array)[None], dtype=torch.float32)


def _encoded(members: Sequence[Bundle], features: NDArray[np.float32] | None) -> list[Tensor]:
    if features is None:
        return []
    found = []
    for member in members:
        if member.encoder is not None:
            encoded, present = member.encoder.encode(features[None])
            if not present.all():
                return []  # nothing was measured: the model went without
            found.append(torch.from_numpy(encoded))
    return found


def _usual_encoded(members: Sequence[Bundle], start: Usual, n_read: int) -> list[Tensor]:
    encoders = [member.encoder for member in members if member.encoder is not None]
    return [torch.from_numpy(usual_features(each, start)) for each in encoders[:n_read]]


def _by_feature(
    bundle: AnyBundle, parts: Sequence[Tensor]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names and log-odds of each feature: of its value, and of its being missing, together."""
    if not parts or bundle.encoder is None:
        return (), np.empty(0)
    total = sum(part[0].numpy().astype(np.float64) for part in parts)
    value, missing = np.split(np.asarray(total), 2)
    return bundle.encoder.names, value + missing


# ---------------------------------------------------------------- which, and drawn


def classes_to_explain(
    probabilities: NDArray[np.floating[Any]],
    thresholds: NDArray[np.floating[Any]],
    classes: Sequence[str],
) -> list[str]:
    """The classes that are present, the clearest first; where none is, the one nearest to it."""
    share = probabilities / thresholds
    order = [int(k) for k in np.argsort(-share, kind="stable")]
    present = [k for k in order if share[k] >= 1]
    return [classes[k] for k in present or order[:1]]


def explain_all(
    bundle: AnyBundle,
    signals: NDArray[np.floating[Any]],
    features: NDArray[np.float32] | None,
    probabilities: NDArray[np.floating[Any]],
    usable: Sequence[bool],
    lengths: NDArray[np.int64],
) -> list[list[Explanation]]:
    """The explanations of each record's `classes_to_explain`, none of a record that isn't usable;
    other arguments as of `Bundle.predict`."""
    return [
        explain(
            bundle,
            signals[record],
            None if features is None else features[record],
            classes_to_explain(probabilities[record], bundle.thresholds, bundle.task.classes),
            length=int(lengths[record]),
        )
        if usable[record]
        else []
        for record in range(len(signals))
    ]


def write_explained_sheets(
    bundle: AnyBundle,
    scored: Scored,
    records: Records,
    n_sheets: int,
    folder: Path,
    model: str = "",
) -> None:
    """What moved the clearest class of the records that the model gets most right.

    Args:
        bundle: that scored them.
        scored: what it said about some of the records.
        records: where the signals are.
        n_sheets: how many records.
        folder: where ``ECGID_CLASS.png`` and so on go.
        model: the bundle's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    best, _ = best_and_worst(scored.y_true, scored.y_score, n_sheets)
    rows = scored.rows[best]
    signals, twelve, own = records.millivolts(rows), records.twelve(rows), records.lengths(rows)
    delineation = delineate(twelve, records.pack.fs)
    known = abouts(records, rows, delineation, model)
    for record, row in enumerate(best):
        features = None if records.features is None else records.features.values[rows[record]]
        y_score, limits, classes = scored.y_score[row], scored.thresholds, scored.classes
        names = classes_to_explain(y_score, limits, classes)[:1]
        length = None if own is None else int(own[record])
        (explanation,) = explain(bundle, signals[record], features, names, length=length)
        figure = explained_sheet(
            twelve[record],
            records.pack.fs,
            record_name(records, scored.rows[row]),
            by_class(y_score, classes),
            by_class(limits, classes),
            explanation,
            delineation,
            record,
            by_class(scored.y_true[row] == 1, classes),
            about=known[record],
        )
        save(figure, folder / f"{scored.ecg_id[row]:05d}_{class_key(explanation.class_name)}.png")
