"""Folders that are there whole or not at all, and what is in them."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heart_reader.errors import ModelError

BUNDLE, ENSEMBLE, WEIGHTS = "bundle.json", "ensemble.json", "weights.safetensors"
NOVELTY = "novelty.safetensors"
PARTS = (BUNDLE, ENSEMBLE, WEIGHTS, NOVELTY)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``folder`` where all goes well, and else is gone.

    Raises:
        ModelError: the folder exists already.
    """
    if folder.exists():
        raise ModelError(f"bundle folder {folder} exists already; bundles are never overwritten")
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def folder_digest(folder: Path) -> str:
    """SHA-256 of what a bundle's folder says and weighs; what lies beside it doesn't count.

    Raises:
        ModelError: no bundle is there.
    """
    files = [path for name in PARTS for path in folder.rglob(name) if path.is_file()]
    if not files:
        raise ModelError(f"bundle {folder} can't be read: it has none of {', '.join(PARTS)}")
    text = hashlib.sha256()
    for path in sorted(files):
        text.update(path.relative_to(folder).as_posix().encode())
        text.update(hashlib.sha256(path.read_bytes()).digest())
    return text.hexdigest()
