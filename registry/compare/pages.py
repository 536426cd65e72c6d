"""A comparison as tables, as a picture, as Markdown and as one page of HTML."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure

from heart_reader.evaluation.plots.figures import GREY, INK, new_figure, style
from heart_reader.evaluation.tables import markdown_table
from registry.compare.measure import Comparison, Row, Value
from registry.compare.opinions import Opinion
from registry.compare.parts import TOO_FEW, Part

PAGE = Path(__file__).with_name("page.html")
HELD = "*"  # a class's difference that holds among all that were looked at


@dataclass(frozen=True)
class Table:
    """Rows of words under a header."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(
    compared: Comparison, settings: Mapping[str, Sequence[str]], parts: Sequence[Part] = ()
) -> list[Table]:
    """All of them: figures, classes, parts of the patients, what differs, records."""
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
    differing = Table(
        "What differs",
        "Params of the runs and conditions; everything else is the same.",
        ("key", *names),
        tuple((key, *values) for key, values in settings.items()),
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
    found = (figures, classes, _parts(parts, names), differing, apart)
    return [table for table in found if table.rows]


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
                *(
                    f"{_signed(gain)}{' ' + HELD if sure else ''}"
                    for gain, sure in zip(part.gains, part.sure, strict=True)
                ),
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
        cells.append(f"{_signed(row.class_gains[c])}{' ' + HELD if sure[c] else ''}")
    return compared.classes[c], *cells


def _plain(value: Value) -> str:
    if value.value != value.value:
        return "can't be judged"
    return f"{value.value:.4f} ({value.low:.4f} to {value.high:.4f})"


def _signed(value: Value) -> str:
    if value.value != value.value:
        return ""
    return f"{value.value:+.4f} ({value.low:+.4f} to {value.high:+.4f})"


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


def intro(compared: Comparison, opinions: Sequence[Opinion]) -> str:
    """What is compared, in a sentence."""
    judged = "cross-fitted where weights were fitted on it"
    return (
        f"{len(opinions)} models on the {compared.n_records:,} records of fold 9, {judged}; "
        f"{opinions[0].name} is what the others are held against."
    )


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


def html(title: str, said: str, parts: Sequence[Table], drawn: Figure) -> str:
    """One page without any other file; all that was written by others is escaped."""
    loader = FileSystemLoader(PAGE.parent)
    page = Environment(loader=loader, autoescape=True).get_template(PAGE.name)
    return page.render(title=title, intro=said, tables=parts, figure=as_svg(drawn))
