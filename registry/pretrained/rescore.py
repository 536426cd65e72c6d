"""Says again what the bundles of a folder say of fold 9, where the code between has changed.

python -m registry.pretrained.rescore --data PATH [--folder pretrained]

Evidence is written anew. Weights, thresholds and the weights of an ensemble stay, and with them
the digests by which bundles are known again. Members come before their ensembles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.ensemble import KIND
from heart_reader.bundle.evidence import Evidence, gather, load_evidence, save_evidence
from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.bundle.scoring import score
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.load import load_config
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation.metrics import macro_auc
from heart_reader.evaluation.mixing import cross_fit
from heart_reader.evaluation.scored import Scored
from heart_reader.evaluation.thresholds import rule_of
from heart_reader.files import user_path
from registry.ground.fold9 import fold9, load_records
from registry.pretrained.import_bundle import PRETRAINED, pretrained
from registry.settings import load_settings

OPTIONS = {"folder", "data"}


@dataclass(frozen=True)
class Rescored:
    """What changed in a bundle's fold-9 scores: a row of the closing table."""

    name: str
    before: float  # macro AUC
    after: float
    largest: float  # change of a probability
    same_labels: float  # share of the records


def main(words: Sequence[str]) -> None:
    """Reads the options, scores, and prints what changed."""
    options = dotted_options(words)
    if "data" not in options or not set(options) <= OPTIONS:
        given = ", ".join(sorted(options)) or "nothing"
        raise ConfigError(f"rescore takes --data and, where wanted, --folder, not {given}")
    folders = pretrained(user_path(options.pop("folder", str(PRETRAINED))))
    bundles = [open_bundle(folder) for folder in folders]
    records = load_records(bundles, load_config("default", options))
    print_table(rescore(folders, bundles, records))


def rescore(
    folders: Sequence[Path], bundles: Sequence[AnyBundle], records: Records
) -> list[Rescored]:
    """Writes the evidence of each folder anew.

    Raises:
        ModelError: a bundle without evidence, or one that was judged on other records.
    """
    known: dict[str, Scored] = {}
    rows = []
    for folder, bundle in zip(folders, bundles, strict=True):
        old = _evidence(folder, records)
        scored = known[folder.name] = score(bundle, records, (VALIDATION_FOLD,))
        judged = _judged(bundle, known, records)
        patients = fold9(records).patients
        save_evidence(gather(bundle, records.digest, patients, scored, judged), folder)
        rows.append(_change(folder.name, bundle, old, scored, judged))
    return rows


def _evidence(folder: Path, records: Records) -> Evidence:
    found = load_evidence(folder)
    if found is None or found.digest != records.digest:
        what = "no evidence" if found is None else f"evidence of data {found.digest[:16]}"
        raise ModelError(f"bundle {folder} has {what}, and these data are {records.digest[:16]}")
    return found


def _judged(bundle: AnyBundle, known: dict[str, Scored], records: Records) -> NDArray[np.float32]:
    """What it may be judged by: an ensemble's weights were fitted on fold 9."""
    if bundle.kind != KIND:
        return list(known.values())[-1].y_score
    chosen, _ = load_settings({})
    fold = fold9(records)
    y_scores = np.stack([known[name].y_score for name in bundle.names])
    generator = np.random.default_rng(chosen.ensemble.seed)
    method, n_groups = str(bundle.provenance["method"]), chosen.ensemble.n_groups
    rule = rule_of(bundle.provenance)
    found = cross_fit(method, fold.y_true, y_scores, fold.patients, n_groups, generator, rule)
    return found.y_score


def _change(
    name: str, bundle: AnyBundle, old: Evidence, scored: Scored, judged: NDArray[np.float32]
) -> Rescored:
    same = (bundle.labels(old.y_score) == bundle.labels(scored.y_score)).all(axis=1)
    return Rescored(
        name,
        float(macro_auc(old.y_true, old.y_judged)),
        float(macro_auc(scored.y_true, judged)),
        float(np.abs(old.y_score - scored.y_score).max()),
        float(same.mean()),
    )


def print_table(rows: Sequence[Rescored]) -> None:
    """A row a bundle."""
    table = Table("bundle", "macro AUC before", "now", "largest change", "labels kept")
    for row in rows:
        aucs = f"{row.before:.5f}", f"{row.after:.5f}"
        table.add_row(row.name, *aucs, f"{row.largest:.4f}", f"{row.same_labels:.1%}")
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
