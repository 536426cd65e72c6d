"""A record of a promotion: what was decided, by whom, on what grounds; chained and signed.

Each record holds the hash of the one before it, so that none can be changed, taken out or put in
between without all behind it being written again; and each is signed, so that this can't be.
"""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from heart_reader.errors import ModelError
from registry.trust.keys import Keys, is_signed, sign

FORMAT = 1
NONE = "none"


@dataclass(frozen=True)
class Record:
    """One decision.

    Attributes:
        number: in the chain of its model, from 1 on.
        time: ISO 8601, UTC.
        who: user and host.
        model: registered name.
        action: promoted, forced, or rolled back.
        came, left: the pinned versions that are champion now, and were; "none" at first.
        reason: in the gate's words, or of who forced it.
        figures: of the gate, by rule: whether it held, in words, and its numbers.
        data_digest: of the records that it was judged on.
        bundle_digest: SHA-256 of the folder of the bundle that came.
        code_commit: of the code that judged.
        environment: SHA-256 of its Python and installed packages.
        run: the gate's, which holds this record.
        previous: hash of the record before, "none" at first.
        previous_run: where that one is.
    """

    number: int
    time: str
    who: str
    model: str
    action: str
    came: str
    left: str
    reason: str
    figures: dict[str, Any]
    data_digest: str
    bundle_digest: str
    code_commit: str
    environment: str
    run: str
    previous: str
    previous_run: str


@dataclass(frozen=True)
class Signed:
    """A record as it lies in its run.

    Attributes:
        record: what it says.
        hash: SHA-256 of its canonical JSON.
        signature, key: base64.
    """

    record: Record
    hash: str
    signature: str
    key: str

    def text(self) -> str:
        """The file."""
        tree = {"format": FORMAT, **asdict(self)}
        return json.dumps(tree, indent=1, sort_keys=True, allow_nan=False) + "\n"

    def problems(self, keys: Keys) -> list[str]:
        """What is wrong with this record by itself, in a few words each."""
        found = []
        if hash_of(self.record) != self.hash:
            found.append("its hash isn't that of what it says")
        if self.key not in keys:
            found.append(f"it is signed by a key that isn't known here ({self.key[:12]}...)")
        elif not is_signed(self.hash.encode(), self.signature, keys[self.key]):
            found.append("its signature isn't of this record")
        return found


def canonical(record: Record) -> bytes:
    """The bytes that are hashed."""
    text = json.dumps(
        asdict(record), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return text.encode()


def hash_of(record: Record) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(canonical(record)).hexdigest()


def signed(record: Record) -> Signed:
    """The record with its hash, signed by this machine's key."""
    digest = hash_of(record)
    signature, key = sign(digest.encode())
    return Signed(record, digest, signature, key)


def read_signed(text: str, where: str) -> Signed:
    """The record in a file.

    Raises:
        ModelError: it is none.
    """
    try:
        tree: Mapping[str, Any] = json.loads(text)
        if tree["format"] != FORMAT:
            raise ModelError(f"{where} has format {tree['format']!r}, this code reads {FORMAT}")
        return Signed(
            _record(tree["record"]), str(tree["hash"]), str(tree["signature"]), str(tree["key"])
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise ModelError(f"{where} is no record of a promotion: {why}") from error


def _record(tree: Mapping[str, Any]) -> Record:
    """Raises TypeError for other keys, or values of other kinds, than a record has."""
    record = Record(**tree)
    kinds: Mapping[str, type] = {"number": int, "figures": dict}
    for name, value in vars(record).items():
        kind = kinds.get(name, str)
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be {kind.__name__}, but is {value!r}")
    return record


def environment_hash() -> str:
    """SHA-256 of Python's version and of all installed packages with theirs."""
    found = {
        f"{each.metadata['Name']}=={each.version}".lower()
        for each in importlib.metadata.distributions()
    }
    text = "\n".join([platform.python_version(), *sorted(found)])
    return hashlib.sha256(text.encode()).hexdigest()
