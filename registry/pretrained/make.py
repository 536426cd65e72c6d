"""Makes ``pretrained/`` from registered models: small bundles that bring their evidence along.

python -m registry.pretrained.make --model heart-reader-ensemble@champion --data PATH
python -m registry.pretrained.make --model heart-reader-a@candidate,heart-reader-b/3 --data PATH

An ensemble brings its members. Weights are fp16 where fp16 says the same of fold 9, else fp32.
What is in the folder under the same name is replaced.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from heart_reader.bundle.ensemble import (
    KIND,
    EnsembleBundle,
    load_ensemble,
    save_beside_members,
)
from heart_reader.bundle.evidence import gather, patients_of, save_evidence
from heart_reader.bundle.kinds import AnyBundle
from heart_reader.bundle.provenance import train_command, travelling
from heart_reader.bundle.scoring import score
from heart_reader.bundle.single import load_bundle, save_bundle
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.config.request import AUTO, ConfigRequest, config_request
from heart_reader.config.strict import flatten
from heart_reader.config.yaml_files import read_yaml
from heart_reader.data.dataset import Records
from heart_reader.data.ptbxl import VALIDATION_FOLD
from heart_reader.errors import ConfigError, ModelError
from heart_reader.evaluation.scored import Scored
from heart_reader.files import user_path
from heart_reader.tracking import ModelVersion, Run, load_registered, resolve_version
from heart_reader.tracking import runs as tracking
from registry.client import PREFIX, Registry, pinned, short_name
from registry.commands import DEFAULTS
from registry.ground.fold9 import CROSS_FITTED, LOGGED, fold9, load_records, logged_scores
from registry.pretrained.import_bundle import PRETRAINED

TOLERANCE = 1e-4  # of a probability
OPTIONS = {"model", "folder", "data", "commit"}


@dataclass(frozen=True)
class MakeRequest:
    """Which versions, where to, which data, and the commit of runs that didn't log theirs."""

    models: tuple[str, ...]
    folder: Path
    config: ConfigRequest
    commit: str | None


@dataclass(frozen=True)
class Written:
    """A row of the closing table: the largest difference is to what was logged of the version."""

    folder: Path
    source: str
    dtype: str
    difference: float
    macro_auc: float

    @property
    def size(self) -> int:
        """Bytes of the folder."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def main(words: Sequence[str]) -> None:
    """Reads the options, writes members before ensembles, and prints sizes."""
    request = read_request(dotted_options(words))
    tracking.set_up_tracking()
    print_table(make_pretrained(Registry(), request))


def read_request(options: Mapping[str, str]) -> MakeRequest:
    """What the options ask for.

    Raises:
        ConfigError: no model, or unknown options.
    """
    if "model" not in options or not set(options) <= OPTIONS:
        given = ", ".join(sorted(options)) or "nothing"
        raise ConfigError(
            "make_pretrained takes --model NAME@ALIAS,... and, where wanted, --folder, --data and "
            f"--commit (of runs that didn't log theirs), but was given {given}"
        )
    models = tuple(address.strip() for address in options["model"].split(","))
    data = config_request({"data": options.get("data", AUTO)})
    folder = user_path(options.get("folder", str(PRETRAINED)))
    return MakeRequest(models, folder, data, options.get("commit"))


def make_pretrained(registry: Registry, request: MakeRequest) -> list[Written]:
    """A bundle folder for each version, and for each member of an ensemble.

    Raises:
        ModelError: two different versions under one name.
    """
    ensembles, singles, folder = [], dict[str, ModelVersion](), request.folder
    for version in map(resolve_version, request.models):
        members = registry.tags(version).get("members", "")
        ensembles += [version] if members else []
        for each in (
            [resolve_version(name) for name in members.split(",")] if members else [version]
        ):
            if singles.setdefault(short_name(each.name), each) != each:
                other = pinned(singles[short_name(each.name)])
                raise ModelError(f"{pinned(each)} and {other} can't both lie in {folder}")
    written = [write_single(each, request, folder / name) for name, each in singles.items()]
    written += [
        write_ensemble(each, request, folder / short_name(each.name)) for each in ensembles
    ]
    return written


# ---------------------------------------------------------------- one bundle


def write_single(version: ModelVersion, request: MakeRequest, folder: Path) -> Written:
    """A single model: its weights, what makes it again, and its evidence.

    Raises:
        ModelError: it doesn't say of fold 9 what was logged of it.
    """
    found = load_registered(version)
    if found.kind == KIND:
        raise ModelError(f"{pinned(version)} is an ensemble that names no members")
    bundle, config = found.members[0], run_config(version)
    records = load_records([bundle], request.config.for_bundle(bundle.provenance))
    made = travelling(
        bundle.provenance, config, train_command(config), commit_of(version, request.commit)
    )
    bundle = replace(bundle, provenance=made)
    logged = logged_scores(version, fold9(records), LOGGED)
    with tempfile.TemporaryDirectory() as name:
        smallest = None
        for dtype in (torch.float16, torch.float32):
            stored = Path(name) / str(dtype)
            save_bundle(bundle, stored, dtype)
            scored = score(load_bundle(stored), records, (VALIDATION_FOLD,))
            # Without logged scores the weights of the registry themselves are what to reproduce.
            said = score(bundle, records, (VALIDATION_FOLD,)).y_score if logged is None else logged
            difference = float(np.abs(scored.y_score - said).max())
            if difference <= TOLERANCE:
                smallest = stored, str(dtype).removeprefix("torch."), difference, scored
                break
        if smallest is None:
            raise ModelError(
                f"{pinned(version)} differs by {difference:.1e} from its logged fold-9 "
                f"predictions, may be {TOLERANCE:.0e}"
            )
        stored, kind, difference, scored = smallest
        add_evidence(load_bundle(stored), records, scored, scored.y_score, stored)
        publish(stored, folder)
    return Written(folder, pinned(version), kind, difference, macro_auc(bundle))


def write_ensemble(version: ModelVersion, request: MakeRequest, folder: Path) -> Written:
    """An ensemble beside its members' folders, which are there already.

    Raises:
        ModelError: it doesn't say of fold 9 what was logged of it.
    """
    found = load_registered(version)
    if found.kind != KIND:
        raise ModelError(f"{pinned(version)} names members, but holds no ensemble")
    records = load_records([found], request.config.for_bundle(found.provenance))
    members = tuple(load_bundle(folder.parent / name) for name in found.names)
    made = travelling(
        found.provenance, {}, ensemble_command(version), commit_of(version, request.commit)
    )
    bundle = EnsembleBundle(members, found.names, found.weights, found.thresholds, made)
    fold, scored = fold9(records), score(bundle, records, (VALIDATION_FOLD,))
    logged = logged_scores(version, fold, LOGGED)
    judged = logged_scores(version, fold, CROSS_FITTED)
    if logged is None or judged is None:
        raise ModelError(f"{pinned(version)} has no fold-9 predictions of these records")
    difference = float(np.abs(scored.y_score - logged).max())
    if difference > TOLERANCE:
        raise ModelError(f"{pinned(version)} differs by {difference:.1e} from its logged scores")
    shutil.rmtree(folder, ignore_errors=True)
    save_beside_members(bundle, folder)
    add_evidence(load_ensemble(folder), records, scored, judged, folder)
    return Written(folder, pinned(version), "", difference, macro_auc(bundle))


def add_evidence(
    bundle: AnyBundle,
    records: Records,
    scored: Scored,
    y_judged: Any,
    folder: Path,
) -> None:
    """What the bundle as it is stored says of fold 9, and of synthetic ECGs."""
    patients = patients_of(records, scored.rows)
    save_evidence(gather(bundle, records.digest, patients, scored, y_judged), folder)


def publish(stored: Path, folder: Path) -> None:
    """Moves a bundle's folder to its place."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(stored, folder)


# ---------------------------------------------------------------- where it comes from


def run_config(version: ModelVersion) -> dict[str, Any]:
    """The configuration that a version was trained with, as its run logged it.

    Raises:
        ModelError: its run has none.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Run(version.run_id).download("config.yaml", Path(name)) if version.run_id else None
        if path is None:
            raise ModelError(f"the run of {pinned(version)} has no config.yaml")
        return read_yaml(path)


def ensemble_command(version: ModelVersion) -> str:
    """The command that makes an ensemble again, of the versions that it was made of."""
    run = Run(version.run_id)
    params = {k: v for k, v in run.params().items() if k.startswith("ensemble.")}
    defaults = flatten(read_yaml(DEFAULTS))
    words = [f"members={run.tags()['members']}"]
    words += [f"{key}={v}" for key, v in params.items() if str(defaults.get(key)) != v]
    return " ".join(["mlflow run . -e ensemble --env-manager local", *(f"-P {w}" for w in words)])


def commit_of(version: ModelVersion, given: str | None) -> str:
    """The commit of the code that made a version: as its run says, else as the user does."""
    tags = Run(version.run_id).tags()
    logged = tags.get("git_commit", tags.get("mlflow.source.git.commit", "unknown"))
    return given if given is not None and logged == "unknown" else logged


def macro_auc(bundle: AnyBundle) -> float:
    """On fold 9, as in the provenance."""
    return float(bundle.provenance["validation"]["macro_auc"])


def print_table(written: Sequence[Written]) -> None:
    """A row a bundle, and the sum of their sizes."""
    table = Table("bundle", "from", "weights", "difference", "macro AUC", "kB")
    for each in written:
        size, auc = f"{each.size / 1e3:,.0f}", f"{each.macro_auc:.4f}"
        difference = f"{each.difference:.1e}"
        table.add_row(
            each.folder.name, each.source.removeprefix(PREFIX), each.dtype, difference, auc, size
        )
    total = sum(each.size for each in written) / 1e6
    table.add_section()
    table.add_row("together", "", "", "", "", f"{total:.1f} MB")
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
