"""Artifacts from local folders to the target's store, each compared by its SHA-256."""

import posixpath
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path

from heart_reader.errors import DataError
from heart_reader.files import sha256_of
from heart_reader.tracking.delivery.outage import waits_for_store

AT_ONCE = 4


@dataclass(frozen=True)
class Copied:
    """What became of all files: how many there are, and how many had to be sent."""

    files: int
    bytes: int
    sent: int


def local_folder(location: str, served_from: Path) -> Path | None:
    """Where an experiment's artifacts lie on this machine, or ``None`` for a store elsewhere.

    Args:
        location: a path, a ``file:`` address, or ``mlflow-artifacts:/...`` of a server that ran
            here.
        served_from: the folder that such a server kept its artifacts in.
    """
    scheme, _, rest = location.partition(":")
    if scheme == "mlflow-artifacts":
        return served_from / rest.strip("/")
    if scheme == "file" or "://" not in location:
        return Path(local_file_uri_to_path(location))  # type: ignore[no-untyped-call]
    return None


def copy_files(folders: Mapping[Path, str]) -> Copied:
    """Sends every file that the target doesn't have, and reads each back.

    Args:
        folders: a local folder, and the address that it has in the target.

    Raises:
        DataError: a file that arrived otherwise than it was sent.
        TrackingError: the target was away for too long, or refuses.
    """
    total = Copied(0, 0, 0)
    for folder, address in folders.items():
        repository = get_artifact_repository(address)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        there = {
            each
            for below in sorted({posixpath.dirname(name) for name in names})
            for each in listed(repository, below)
        }
        with ThreadPoolExecutor(AT_ONCE) as pool:
            copy = partial(copy_file, repository, there=there)
            sent = sum(pool.map(copy, paths, names))
        size = sum(path.stat().st_size for path in paths)
        total = Copied(total.files + len(paths), total.bytes + size, total.sent + sent)
    return total


@waits_for_store
def listed(repository: ArtifactRepository, folder: str) -> list[str]:
    """The names in a folder of the target, which may not be there."""
    return [item.path for item in repository.list_artifacts(folder or None)]


@waits_for_store
def copy_file(repository: ArtifactRepository, path: Path, name: str, there: set[str]) -> bool:
    """Whether a file had to be sent; either way the target has it now.

    Raises:
        DataError: it arrived otherwise.
    """
    wanted = sha256_of(path)
    if name in there and remote_sha256(repository, name) == wanted:
        return False
    folder = posixpath.dirname(name) or None
    repository.log_artifact(str(path), folder)  # type: ignore[no-untyped-call]
    found = remote_sha256(repository, name)
    if found != wanted:
        raise DataError(f"{path} has SHA-256 {wanted}, but the target got {found}")
    return True


def remote_sha256(repository: ArtifactRepository, name: str) -> str:
    """Of a file in the target, as it is read back."""
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "file"
        repository._download_file(name, str(local))  # type: ignore[no-untyped-call]
        return sha256_of(local)
