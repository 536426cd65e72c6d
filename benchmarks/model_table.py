"""The documents' table: the pretrained models on fold 9, beside what others published on fold 10.

    python -m benchmarks.model_table                      # prints it
    python -m benchmarks.model_table --write docs/howto/pretrained.md    # between its two marks

Everything comes from the bundles and their evidence in ``pretrained/``, without any data. Latency
is one ECG at a time on one thread: the network alone, and with its features measured.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from heart_reader.bundle.evidence import load_evidence
from heart_reader.bundle.kinds import READERS, open_bundle
from heart_reader.config.load import load_config
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.errors import ModelError
from heart_reader.evaluation import report

BEGIN, END = "<!-- model table: begin -->", "<!-- model table: end -->"
BENCHMARK = "[Strodthoff et al. 2021](https://doi.org/10.1109/JBHI.2020.3022989)"
# Name, macro AUC, F_max, source. All of fold 10; a bracket is the larger distance to the ends of
# a 90% bootstrap interval, in units of the last digit.
PUBLISHED = (
    ("resnet1d_wang", "0.930(5)", "0.823(10)", BENCHMARK),
    ("xresnet1d101", "0.928(5)", "0.815(12)", BENCHMARK),
    ("lstm", "0.927(5)", "", BENCHMARK),
    ("inception1d", "0.921(6)", "", BENCHMARK),
    ("ensemble of the benchmark's models", "0.934", "", "second hand, from papers that cite it"),
    ("S4", "0.932", "", "[Mehari and Strodthoff 2022](https://arxiv.org/abs/2211.07579)"),
    (
        "ECGFounder, fine-tuned",
        "0.935",
        "",
        "second hand; the model: [Li et al. 2025](https://arxiv.org/abs/2410.04133)",
    ),
)


@dataclass(frozen=True)
class Row:
    """One pretrained model."""

    name: str
    values: dict[str, float]
    n_parameters: int
    n_records: int
    network_ms: float
    whole_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("pretrained"))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--write", type=Path, help="a Markdown file with the two marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = [p.parent for name in READERS for p in sorted(options.folder.glob(f"*/{name}"))]
    if not folders:
        raise SystemExit(f"error: there are no bundles in {options.folder}")
    text = table([row_of(folder, options.repeats) for folder in folders])
    if options.write:
        write(options.write, text)
    print(text)


def row_of(folder: Path, repeats: int) -> Row:
    """A model's fold-9 metrics and its latency.

    Raises:
        ModelError: a bundle without evidence.
    """
    bundle, evidence = open_bundle(folder), load_evidence(folder)
    if evidence is None:
        raise ModelError(f"bundle {folder} has no fold-9 predictions beside it")
    judged = evidence.scored(evidence.y_judged, bundle.thresholds)
    values = report.metrics_with_intervals(judged, load_config("default", {}).evaluation)
    one = evidence.probe_signals()[:1]
    return Row(
        folder.name,
        values,
        sum(p.numel() for member in bundle.members for p in member.model.parameters()),
        len(evidence.ecg_id),
        milliseconds(lambda: bundle.predict(one, None), repeats),
        milliseconds(lambda: bundle.predict(one), repeats),
    )


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """The median of some calls after one to warm up; on one thread CPU time is wall-clock time,
    and what else the machine does isn't in it."""
    call()
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        taken.append((time.process_time() - started) * 1e3)
    return statistics.median(taken)


def table(rows: Sequence[Row]) -> str:
    """Both tables as Markdown."""
    header = ("model, fold 9", "macro AUC (90%)", *SUPERCLASSES, "F_max (90%)")
    lines = [cells((*header, "parameters", "ms: network, with features"))]
    lines.append(cells(["---"] * (len(header) + 2)))
    for row in rows:
        v = row.values
        lines.append(
            cells(
                (
                    f"{row.name}{', cross-fitted' if row.name == 'ensemble' else ''}",
                    f"{v['macro_auc']:.4f} ({interval(v, 'macro_auc')})",
                    *(f"{v[f'auc_{name}']:.3f}" for name in SUPERCLASSES),
                    f"{v['f_max']:.3f} ({interval(v, 'f_max')})",
                    f"{row.n_parameters:,}",
                    f"{row.network_ms:.0f}, {row.whole_ms:.0f}",
                )
            )
        )
    lines.append(cells(("**fold 10**", "held back", *[""] * (len(header)))))
    published = [cells(("published, fold 10", "macro AUC (90%)", "F_max (90%)", "source"))]
    published += [cells(["---"] * 4), *(cells(each) for each in PUBLISHED)]
    note = (
        f"Fold 9 has {rows[0].n_records:,} records and is easier than fold 10 by about 0.005; "
        "intervals are of 100 bootstrap resamples."
    )
    return "\n".join([*lines, "", note, "", *published])


def interval(values: dict[str, float], name: str) -> str:
    """Both ends."""
    return f"{values[f'{name}_low90']:.3f} to {values[f'{name}_high90']:.3f}"


def cells(words: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(words)} |"


def write(path: Path, text: str) -> None:
    """Puts the tables between the marks of a file."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"error: {path} has no {BEGIN} with {END} behind it")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
