"""A comparison as tables, as a picture, as Markdown and as one page of HTML."""

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure

from heart_reader.evaluation.plots.figures import GREY, INK, new_figure, style
from heart_reader.evaluation.tables import markdown_table
from registry.compare.costs import Cost, threads
from registry.compare.differing import differing, of_some
from registry.compare.measure import Comparison, Row, Value, held
from registry.compare.opinions import Opinion
from registry.compare.parts import TOO_FEW, Part

PAGE = Path(__file__).with_name("page.html")
N_NAMED = 5  # parts for which somebody is worse, in the first sentences
HELD = "*"  # a class's difference that holds among all that were looked at


@dataclass(frozen=True)
class Table:
    """Rows of words under a header; a folded one is shown when it is asked for."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


def tables(
    compared: Comparison,
    settings: Sequence[Mapping[str, str]] = (),
    parts: Sequence[Part] = (),
    costs: Sequence[Cost | None] = (),
) -> list[Table]:
    """All of them: figures, classes, parts of the patients, costs, what differs, records."""
    names = [row.name for row in compared.rows]
    first = names[0]
    figures = Table(
        "Figures",
        f"Differences are those from {first}, paired on the same resamples, with 95% intervals. "
        "Agreement is the share of labels, over all records and classes, that are the same.",
        ("model", "macro AUC", "difference", "F_max", "difference", "agreement"),
        tuple(_figures(row, first) for row in compared.rows),
    )
    n = sum(value.p == value.p for row in compared.rows[1:] for value in row.class_gains)
    classes = Table(
        "Classes",
        f"AUC of the first, and how the others differ from it. {n} differences are looked at "
        f"together: {HELD} marks those that hold among all of them (Holm, 5%); of the others one "
        "in twenty leaves 0 outside of its own interval by chance.",
        ("class", *names),
        tuple(_class(compared, c) for c in range(len(compared.classes))),
    )
    differs = Table(
        "What differs",
        "Params of the runs, conditions, and packages at the time of registering, of which two "
        "models have different values.",
        ("key", *names),
        tuple((key, *values) for key, values in differing(settings).items()),
    )
    some = Table(
        "What only some have",
        "Params that the others' runs don't know.",
        ("key", *names),
        tuple((key, *values) for key, values in of_some(settings).items()),
        folded=True,
    )
    apart = Table(
        "Records on which they differ most",
        "Probabilities of the class on which they lie furthest apart; true: 1 where it is there.",
        tuple(map(str, compared.apart.columns)),
        tuple(
            tuple(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row)
            for row in compared.apart.itertuples(index=False)
        ),
    )
    found = (figures, classes, _parts(parts, names), _costs(costs, names), differs, apart, some)
    return [table for table in found if table.rows]


def _costs(costs: Sequence[Cost | None], names: Sequence[str]) -> Table:
    return Table(
        "Size and speed",
        "ms: one record by itself, features measured, on this machine, the quickest of some; "
        f"threads: {threads()}.",
        ("model", "parameters", "MB", "ms a record"),
        tuple(
            (name, f"{cost.n_parameters:,}", f"{cost.megabytes:.1f}", f"{cost.ms:.0f}")
            for name, cost in zip(names, costs, strict=bool(costs))
            if cost is not None
        ),
    )


def _parts(parts: Sequence[Part], names: Sequence[str]) -> Table:
    n = sum(gain.p == gain.p for part in parts for gain in part.gains)
    return Table(
        "Parts of the patients",
        f"Macro AUC of the first, and how the others differ from it. {n} differences are looked "
        f"at together: {HELD} marks those that hold among all of them (Holm, 5%); {TOO_FEW}.",
        ("part", "records", *names),
        tuple(
            (
                part.name,
                f"{part.n:,}",
                _plain(part.first),
                *(_signed(gain, sure) for gain, sure in zip(part.gains, part.sure, strict=True)),
            )
            for part in parts
        ),
    )


def _figures(row: Row, first: str) -> tuple[str, ...]:
    is_first = row.name == first
    gain = "" if is_first else _signed(row.gain)
    f_gain = "" if is_first else _signed(row.f_max_gain)
    return (row.name, _plain(row.macro_auc), gain, _plain(row.f_max), f_gain,
            "" if is_first else f"{row.agreement:.1%}")  # fmt: skip


def _class(compared: Comparison, c: int) -> tuple[str, ...]:
    cells = [_plain(compared.rows[0].classes[c])]
    for row, sure in zip(compared.rows[1:], compared.sure[1:], strict=True):
        cells.append(_signed(row.class_gains[c], sure[c]))
    return compared.classes[c], *cells


def _plain(value: Value) -> str:
    if value.value != value.value:
        return "can't be judged"
    return f"{value.value:.4f} ({value.low:.4f} to {value.high:.4f})"


def _signed(value: Value, sure: bool = False) -> str:
    if value.value != value.value:
        return ""
    star = f" {HELD}" if sure else ""
    number, low, high = (
        f"{each:+.4f}".replace("-0.0000", "+0.0000")
        for each in (value.value, value.low, value.high)
    )
    return f"{number}{star} ({low} to {high})"


# ---------------------------------------------------------------- as a picture


def figure(compared: Comparison) -> Figure:
    """Macro AUC and F_max of each model with intervals, the first on top."""
    rows = compared.rows
    drawn = new_figure(9, 1.4 + 0.4 * len(rows))
    axes = drawn.subplots(1, 2, sharey=True)
    at = np.arange(len(rows))
    for axis, title, values in (
        (axes[0], "macro AUC", [row.macro_auc for row in rows]),
        (axes[1], "F_max", [row.f_max for row in rows]),
    ):
        middle = np.array([each.value for each in values])
        ends = np.abs(np.array([[each.low, each.high] for each in values]).T - middle)
        axis.axvline(middle[0], color=GREY, linewidth=0.8, linestyle=":")
        axis.errorbar(middle, at, xerr=ends, fmt="o", color=INK, capsize=3)
        style(axis, title, "with 95% intervals", "")
    axes[0].set_yticks(at, [row.name for row in rows])
    axes[0].invert_yaxis()
    return drawn


def as_svg(drawn: Figure) -> str:
    """The picture for a page."""
    text = io.StringIO()
    drawn.savefig(text, format="svg")
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]


# ---------------------------------------------------------------- as text


def intro(compared: Comparison, opinions: Sequence[Opinion], parts: Sequence[Part] = ()) -> str:
    """What is compared, and what came of it, in some sentences."""
    first = opinions[0].name
    return (
        f"{len(opinions)} models on the {compared.n_records:,} records of fold 9; an ensemble is "
        f"judged by weights that other patients gave. {first} is what the others are held "
        f"against. {verdict(compared, parts)}"
    )


def verdict(compared: Comparison, parts: Sequence[Part]) -> str:
    """Which models are surely better or worse than the first, in the mean and for whom."""
    rows = compared.rows[1:]
    sure = [each[0] for each in held([[row.gain.p] for row in rows])]
    told = []
    for word, sign in (("better", 1), ("worse", -1)):
        names = [row.name for row, is_sure in zip(rows, sure, strict=True)
                 if is_sure and sign * row.gain.value > 0]  # fmt: skip
        if names:
            told.append(f"surely {word}: {', '.join(names)}")
    unsure = [row.name for row, is_sure in zip(rows, sure, strict=True) if not is_sure]
    if unsure:
        told.append(f"no difference can be told: {', '.join(unsure)}")
    text = f"In macro AUC (Holm, 5%) {'; '.join(told)}."
    lost = [
        (gain.value, f"{row.name} for {part.name} ({gain.value:+.3f})")
        for part in parts
        for row, gain, is_sure in zip(rows, part.gains, part.sure, strict=True)
        if is_sure and gain.value < 0
    ]
    worse = [words for _, words in sorted(lost)]
    more = f" and {len(worse) - N_NAMED} more" if len(worse) > N_NAMED else ""
    return text + (f" Surely worse: {', '.join(worse[:N_NAMED])}{more}." if worse else "")


def markdown(title: str, said: str, parts: Sequence[Table]) -> str:
    """For the run's page and as a file."""
    sections = [
        f"### {part.title}\n\n{part.note}\n\n"
        + markdown_table(part.header, [[_cell(cell) for cell in row] for row in part.rows])
        for part in parts
    ]
    return "\n\n".join([f"## {title}", said, *sections, ""])


def _cell(text: str) -> str:
    """No value breaks out of its cell, nor brings HTML along."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def html(
    title: str, said: str, parts: Sequence[Table], drawn: Figure, pictures: Sequence[Path] = ()
) -> str:
    """One page without any other file; all that was written by others is escaped.

    Args:
        title, said, parts, drawn: what is on it.
        pictures: PNG files that go into it.
    """
    loader = FileSystemLoader(PAGE.parent)
    page = Environment(loader=loader, autoescape=True).get_template(PAGE.name)
    inside = [(each.stem, b64encode(each.read_bytes()).decode()) for each in pictures]
    return page.render(
        title=title, intro=said, tables=parts, figure=as_svg(drawn), pictures=inside
    )
