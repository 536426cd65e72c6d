"""The chain of a registered model: written by promotions, read and verified by everybody.

audit/record.json      in the run of each promotion
audit_head             tag of the registered model: number, hash and run of the newest record
audit_run              tag of a version: the run that made it champion last
"""

import getpass
import json
import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from heart_reader.bundle.provenance import git_commit
from heart_reader.errors import HeartReaderError, ModelError
from heart_reader.project import REPOSITORY
from heart_reader.tracking import ModelVersion, Run
from heart_reader.tracking.versions import digest_of_bundle
from registry.client import CHAMPION, Registry, pinned
from registry.trust.keys import Keys
from registry.trust.records import (
    NONE,
    Record,
    Signed,
    environment_hash,
    read_signed,
    signed,
)

FILE, HEAD = "audit/record.json", "audit_head"
AUDITED = "audit_run"  # tag of a version: the run that made it champion last
LONGEST = 10_000  # records; a chain that bites its tail ends here


@dataclass(frozen=True)
class Chain:
    """What was found of a model's chain.

    Attributes:
        records: the oldest first; as far back as they could be read.
        problems: whatever doesn't verify, a line each.
    """

    records: Sequence[Signed]
    problems: Sequence[str]


# ---------------------------------------------------------------- writing


def write_record(
    registry: Registry,
    run: Run,
    came: ModelVersion,
    left: ModelVersion | None,
    action: str,
    reason: str,
    figures: Mapping[str, Mapping[str, Any]],
    data_digest: str,
) -> Signed:
    """Adds a record to the chain of a model, before its champion is moved.

    Args:
        registry: where the model is.
        run: the gate's.
        came, left: the champion that will be, and that is.
        action: promoted, forced, or rolled back.
        reason: why.
        figures: of the gate, by rule.
        data_digest: of what it was judged on.

    Raises:
        ModelError: the chain that it would continue can't be read.
    """
    number, previous, previous_run = _head(registry, came.name) or (0, NONE, NONE)
    record = Record(
        number=number + 1,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        who=f"{os.environ.get('MLFLOW_TRACKING_USERNAME') or _user()}@{socket.gethostname()}",
        model=came.name,
        action=action,
        came=pinned(came),
        left=NONE if left is None else pinned(left),
        reason=reason,
        figures={name: dict(values) for name, values in figures.items()},
        data_digest=data_digest,
        bundle_digest=digest_of_bundle(came),
        code_commit=git_commit(REPOSITORY),
        environment=environment_hash(),
        run=run.run_id,
        previous=previous,
        previous_run=previous_run,
    )
    made = signed(record)
    run.log_text(made.text(), FILE)
    head = json.dumps({"number": record.number, "hash": made.hash, "run": run.run_id})
    registry.set_model_tag(came.name, HEAD, head)
    return made


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def _head(registry: Registry, name: str) -> tuple[int, str, str] | None:
    model = registry.model(name)
    text = None if model is None else dict(model.tags).get(HEAD)
    if text is None:
        return None
    try:
        tree: Mapping[str, Any] = json.loads(text)
        return int(tree["number"]), str(tree["hash"]), str(tree["run"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"tag {HEAD} of {name} is no head of a chain: {text[:80]!r}") from error


# ---------------------------------------------------------------- reading


def read_chain(registry: Registry, name: str, keys: Keys) -> Chain:
    """The chain of a model, and all that is wrong with it."""
    try:
        head = _head(registry, name)
    except ModelError as error:
        return Chain([], [str(error)])
    found: list[Signed] = []
    problems: list[str] = []
    if head is not None:
        found, problems = _walk(head)
        problems += _of_records(name, found, keys)
    champion = registry.find(name, CHAMPION)
    problems += _of_aliases(registry, name, champion, found)
    problems += _of_bundles(registry, found)
    return Chain(found, problems)


def _walk(head: tuple[int, str, str]) -> tuple[list[Signed], list[str]]:
    """From the newest record to the first; what can't be read ends it."""
    number, wanted, run_id = head
    found: list[Signed] = []
    while number > 0 and len(found) < LONGEST:
        where = f"record {number}, of run {run_id},"
        try:
            each = _read(run_id, where)
        except HeartReaderError as error:
            return found[::-1], [str(error)]
        found.append(each)
        if each.hash != wanted or each.record.number != number or each.record.run != run_id:
            return found[::-1], [f"{where} isn't the one that the next one, or the head, names"]
        number, wanted, run_id = number - 1, each.record.previous, each.record.previous_run
    return found[::-1], [] if wanted == NONE else ["the first record names one before it"]


def _read(run_id: str, where: str) -> Signed:
    with tempfile.TemporaryDirectory() as folder:
        path = Run(run_id).download(FILE, Path(folder))
        if path is None:
            raise ModelError(f"{where} isn't there")
        return read_signed(path.read_text(encoding="utf-8"), where)


def _of_records(name: str, found: Sequence[Signed], keys: Keys) -> list[str]:
    problems = [
        f"record {each.record.number}: {problem}"
        for each in found
        for problem in each.problems(keys)
    ]
    problems += [
        f"record {each.record.number} is of {each.record.model}, not of {name}"
        for each in found
        if each.record.model != name
    ]
    for before, after in pairwise(found):
        if after.record.left != before.record.came:
            problems.append(
                f"record {after.record.number} takes {after.record.left} off, but record "
                f"{before.record.number} had made {before.record.came} champion"
            )
    return problems


def _of_aliases(
    registry: Registry, name: str, champion: ModelVersion | None, found: Sequence[Signed]
) -> list[str]:
    """Whether the champion is the last record's, and every version's gate run is in the chain."""
    now = NONE if champion is None else pinned(champion)
    problems = []
    if found and found[-1].record.came != now:
        problems.append(
            f"champion is {now}, but by the newest record it is {found[-1].record.came}"
        )
    if not found and champion is not None:
        problems.append(f"champion is {now}, but there is no record of any promotion")
    known = {each.record.run for each in found}
    for version in registry.versions(name):
        run = version.tags.get(AUDITED)
        if run is not None and run not in known:
            problems.append(
                f"{name}/{version.version} was promoted by run {run}, whose record isn't in the "
                "chain"
            )
    return problems


def _of_bundles(registry: Registry, found: Sequence[Signed]) -> list[str]:
    """Whether the versions hold the bundles that were promoted."""
    problems = []
    there = {
        f"{each.record.model}/{v.version}"
        for each in found[:1]
        for v in registry.versions(each.record.model)
    }
    newest = {each.record.came: each.record for each in found}
    for came, record in newest.items():
        if came not in there:
            problems.append(f"{came}, of record {record.number}, isn't in the registry any more")
            continue
        name, _, number = came.rpartition("/")
        try:
            digest = digest_of_bundle(registry.version(name, number))
        except HeartReaderError as error:
            problems.append(f"{came}: {error}")
            continue
        if digest != record.bundle_digest:
            problems.append(
                f"{came} holds another bundle ({digest[:16]}) than the one that was promoted "
                f"({record.bundle_digest[:16]})"
            )
    return problems
