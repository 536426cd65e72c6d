"""What this machine saw of a chain: who cuts off its newest records can't cut this off too.

audit/STORE-MODEL.json    in the cache: number and hash of the newest record that verified
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import mlflow

from heart_reader.files import cache_folder, written_whole
from registry.trust.chain import Chain


def witnessed(name: str, chain: Chain) -> Chain:
    """The chain, with one more problem where a record that was seen here is gone; a chain without
    problems is remembered."""
    path = _file(name)
    seen = _seen(path)
    if seen is not None:
        number, digest = seen
        there = chain.records[number - 1].hash if 0 < number <= len(chain.records) else "gone"
        if there != digest:
            told = f"record {number} was seen here before, and is gone or another one now"
            return replace(chain, problems=[*chain.problems, told])
    if chain.records and not chain.problems:
        newest = chain.records[-1]
        with written_whole(path) as temporary:
            text = json.dumps({"number": newest.record.number, "hash": newest.hash})
            temporary.write_text(text, encoding="utf-8")
    return chain


def _file(name: str) -> Path:
    store = hashlib.sha256(mlflow.get_tracking_uri().encode()).hexdigest()[:12]
    return cache_folder() / "audit" / f"{store}-{Path(name).name}.json"


def _seen(path: Path) -> tuple[int, str] | None:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return int(tree["number"]), str(tree["hash"])
    except (OSError, ValueError, KeyError, TypeError):  # never seen, or cut short by a full disk
        return None
