"""A look as tables, as a picture, as Markdown and as one page of HTML."""

import time
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from heart_reader.evaluation.plots.figures import GREY, INK, PALE, new_figure, style
from registry.compare.pages import Table
from registry.settings import MonitorConfig
from registry.watch.beside import Beside
from registry.watch.drift import DISTRIBUTION, Finding
from registry.watch.look import FOLD9, Look

RED = "#D55E00"  # of Okabe and Ito's
N_SHOWN, N_DRAWN = 15, 3


def intro(seen: Look, model: str, config: MonitorConfig) -> str:
    """What was looked at, and what came of it, in some sentences."""
    told = f"{len(seen.alerts)} alerts: {', '.join(seen.alerts)}." if seen.alerts else "No alert."
    return (
        f"{told} The newest {seen.n:,} answers of {model}, from {_day(seen.first)} to "
        f"{_day(seen.last)}, held against {' and '.join(list(seen.samples)[1:])}. "
        f"{len(seen.findings)} things are looked at together: one is told where it holds among "
        f"all of them (Holm, {config.level:.0%}) and is large: a stability index of "
        f"{config.psi:g}, or a share that differs by {config.share:.0%}."
    )


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def tables(seen: Look) -> list[Table]:
    """Alerts and what else is sure, shadows, feedback, and the rest."""
    header = ("what", "against", "now", "then", "size", "p", "")
    sure = [each for each in seen.findings if each.sure]
    rest = [each for each in seen.findings if not each.sure]
    sized = "size: the stability index of a distribution, or the difference of a share."
    parts = [
        Table("What differs", f"More than chance among all; {sized}", header, _rows(sure)),
        *_performance(seen),
        Table(
            "Shadows",
            "What a second model said of the same records, for the log alone.",
            ("model", "records", "same labels", "probabilities apart"),
            tuple(
                (each.model, f"{each.n:,}", f"{each.agreement:.1%}", f"{each.apart:.3f}")
                for each in seen.beside
            ),
        ),
        *(_classes(each) for each in seen.beside),
        Table("What doesn't", f"By chance they may; {sized}", header, _rows(rest)),
    ]
    return [part for part in parts if part.rows]


def _classes(shadow: Beside) -> Table:
    rows = []
    for each in shadow.classes:
        low, high = each.interval
        same = f"{each.share:.1%} ({low:.1%} to {high:.1%})"
        rows.append((each.name, same, f"{each.answer_alone:,}", f"{each.shadow_alone:,}"))
    return Table(
        f"What {shadow.model} said beside it, by class",
        f"Of {shadow.n:,} records that both answered; nobody knows who is right.",
        ("class", "same label (95%)", "the answer alone has it", "the shadow alone has it"),
        tuple(rows),
    )


def _rows(findings: Sequence[Finding]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            each.name,
            each.against,
            _value(each, each.now),
            _value(each, each.then),
            f"{each.size:.3f}" if each.kind == DISTRIBUTION else f"{each.size:+.1%}",
            f"{each.p:.1e}",
            "alert" if each.alert else "",
        )
        for each in findings
    )


def _value(finding: Finding, value: float) -> str:
    return f"{value:.3g} (median)" if finding.kind == DISTRIBUTION else f"{value:.1%}"


def _performance(seen: Look) -> list[Table]:
    found = seen.performance
    if found is None:
        return []
    auc, low, high = found.auc
    rows = [("macro AUC", f"{auc:.4f} ({low:.4f} to {high:.4f})")]
    if found.then == found.then:
        change, least, most = found.change
        rows.append(("of fold 9", f"{found.then:.4f}"))
        rows.append(("change (98%)", f"{change:+.4f} ({least:+.4f} to {most:+.4f})"))
    rows += [
        (name, f"{v:.4f}" if v == v else "can't be judged") for name, v in found.by_class.items()
    ]
    note = (
        f"{found.n:,} records with an answer and labels; {found.n_unknown:,} of the feedback "
        "aren't in the log."
    )
    return [Table("Feedback", note, ("what", "value"), tuple(rows))]


# ---------------------------------------------------------------- as a picture


def figure(seen: Look, config: MonitorConfig) -> Figure:
    """Stability indices against fold 9, and the distributions that differ most."""
    found = [f for f in seen.findings if f.against == FOLD9 and f.kind == DISTRIBUTION]
    found.sort(key=lambda each: each.size, reverse=True)
    shown = found[:N_SHOWN]
    drawn = new_figure(10, 2.2 + 0.22 * max(len(shown), 8))
    grid = drawn.add_gridspec(N_DRAWN, 2, width_ratios=(1.2, 1))
    _bars(drawn.add_subplot(grid[:, 0]), shown, config)
    for k, each in enumerate(shown[:N_DRAWN]):
        _histogram(drawn.add_subplot(grid[k, 1]), seen, each)
    return drawn


def _bars(axes: Axes, shown: Sequence[Finding], config: MonitorConfig) -> None:
    at = np.arange(len(shown))
    colors = [RED if each.alert else INK if each.sure else PALE for each in shown]
    axes.barh(at, [each.size for each in shown], color=colors, height=0.7)
    axes.axvline(config.psi, color=GREY, linewidth=0.8, linestyle=":")
    style(axes, "How far from fold 9", "stability index; dotted: from here on it is told", "")
    axes.set_yticks(at, [each.name for each in shown])
    axes.invert_yaxis()


def _histogram(axes: Axes, seen: Look, finding: Finding) -> None:
    now, then = (list(seen.samples.values())[k].numbers[finding.name] for k in (0, 1))
    both = np.concatenate([now, then])
    low, high = np.nanquantile(both, [0.005, 0.995])
    bins = np.linspace(low, high if high > low else low + 1, 25).tolist()
    for values, color, label in ((then, GREY, FOLD9), (now, RED if finding.alert else INK, "now")):
        weights = np.full(len(values), 1 / max(int(np.isfinite(values).sum()), 1))
        axes.hist(values, bins, weights=weights, histtype="step", color=color, label=label)
    style(axes, finding.name, "", "")
    axes.legend(fontsize=8, frameon=False)
