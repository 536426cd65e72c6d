"""Whether two samples of answers differ, by more than chance and by enough to matter.

A distribution by Kolmogorov and Smirnov's two-sample test and the population stability index
(Siddiqi, Credit Risk Scorecards, 2006) over the deciles of what it is held against; a share by
Fisher's exact test and the difference. Everything that is looked at together is judged together,
by Holm's step-down (Scand. J. Stat. 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from registry.watch.sample import Bools, Floats, Sample

N_BINS = 10
HALF = 0.5  # of a record, in a bin: none is empty
FEWEST = 20  # known values of a number on either side
DISTRIBUTION, SHARE = "distribution", "share"


@dataclass(frozen=True)
class Finding:
    """How one thing differs.

    Attributes:
        name: of the column.
        kind: ``DISTRIBUTION`` or ``SHARE``.
        against: what it is held against, in words.
        now, then: the median, or the share.
        size: the stability index, or the difference of shares.
        p: of the test.
        sure: it holds among all that were looked at.
        alert: it is sure, and large enough.
    """

    name: str
    kind: str
    against: str
    now: float
    then: float
    size: float
    p: float
    sure: bool = False
    alert: bool = False


@dataclass(frozen=True)
class Limits:
    """When a difference is told.

    Attributes:
        level: the chance that anything of a look is called different where nothing is.
        psi, share: the smallest index, and the smallest difference of a share.
    """

    level: float
    psi: float
    share: float


def compare_samples(now: Sample, then: Sample, against: str) -> list[Finding]:
    """All that both samples have, not yet judged."""
    found = []
    for name in now.numbers.keys() & then.numbers.keys():
        a, b = (each[np.isfinite(each)] for each in (now.numbers[name], then.numbers[name]))
        if min(len(a), len(b)) >= FEWEST:
            p = float(stats.ks_2samp(a, b, method="asymp").pvalue)
            middle = (float(np.median(a)), float(np.median(b)))
            found.append(Finding(name, DISTRIBUTION, against, *middle, psi(a, b), p))
    for name in now.shares.keys() & then.shares.keys():
        c, d = now.shares[name], then.shares[name]
        size = float(c.mean() - d.mean())
        means = (float(c.mean()), float(d.mean()))
        found.append(Finding(name, SHARE, against, *means, size, fisher(c, d)))
    return sorted(found, key=lambda each: each.name)


def psi(now: Floats, then: Floats) -> float:
    """The population stability index of two samples of known values, over ``then``'s deciles."""
    edges = np.unique(np.quantile(then, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    a, b = (_shares(values, edges) for values in (now, then))
    return float(((a - b) * np.log(a / b)).sum())


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.asarray((counts + HALF) / (len(values) + HALF * (len(edges) + 1)))


def fisher(now: Bools, then: Bools) -> float:
    """The chance of shares that far apart or further, where they are the same."""
    table = [[int(each.sum()), int((~each).sum())] for each in (now, then)]
    return float(stats.fisher_exact(table).pvalue)


def judge(findings: Sequence[Finding], limits: Limits) -> list[Finding]:
    """The same, with what is sure among all of them, and what is told; alerts come first."""
    order = sorted(range(len(findings)), key=lambda k: findings[k].p)
    sure: set[int] = set()
    for rank, k in enumerate(order):
        if findings[k].p > limits.level / (len(findings) - rank):
            break
        sure.add(k)
    judged = [_told(each, k in sure, limits) for k, each in enumerate(findings)]
    return sorted(judged, key=lambda each: (not each.alert, not each.sure, each.p, each.name))


def _told(finding: Finding, sure: bool, limits: Limits) -> Finding:
    least = limits.psi if finding.kind == DISTRIBUTION else limits.share
    return replace(finding, sure=sure, alert=sure and abs(finding.size) >= least)
