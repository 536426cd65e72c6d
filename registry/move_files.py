"""Artifacts from local folders to the target's store, each compared by its SHA-256."""

import hashlib
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from requests import HTTPError

from heart_reader.errors import DataError
from heart_reader.tracking.store import patient

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
        location: a path, a ``file:`` address, or ``mlflow-artifacts:/...`` of a server that ran here.
        served_from: the folder that such a server kept its artifacts in.
    """
    scheme, _, rest = location.partition(":")
    if scheme == "mlflow-artifacts":
        return served_from / rest.strip("/")
    if scheme == "file" or "://" not in location:
        return Path(local_file_uri_to_path(location))
    return None


def copy_files(folders: Mapping[Path, str]) -> Copied:
    """Sends every file that the target doesn't have, and reads each back.

    Args:
        folders: a local folder, and the address that it has in the target.

    Raises:
        DataError: a file that arrived otherwise than it was sent.
        TrackingError: the target was away for too long, or refuses.
    """
    jobs = [
        (path, folder, address) for folder, address in folders.items() for path in files(folder)
    ]
    repositories = {address: get_artifact_repository(address) for address in folders.values()}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = [
            pool.submit(
                copy_file, repositories[address], path, path.relative_to(folder).as_posix()
            )
            for path, folder, address in jobs
        ]
        sent = sum(each.result() for each in done)
    return Copied(len(jobs), sum(path.stat().st_size for path, _, _ in jobs), sent)


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


@patient
def copy_file(repository: ArtifactRepository, path: Path, name: str) -> bool:
    """Whether a file had to be sent; either way the target has it now.

    Raises:
        DataError: it arrived otherwise.
    """
    wanted = sha256(path)
    if remote_sha256(repository, name) == wanted:
        return False
    repository.log_artifact(str(path), posixpath.dirname(name) or None)
    found = remote_sha256(repository, name)
    if found != wanted:
        raise DataError(f"{path} has SHA-256 {wanted}, but the target got {found}")
    return True


def remote_sha256(repository: ArtifactRepository, name: str) -> str | None:
    """Of a file in the target, or ``None`` where it isn't there."""
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "file"
        try:
            repository._download_file(name, str(local))
        except (MlflowException, HTTPError, OSError) as error:
            if not _absent(error):
                raise
            return None
        return sha256(local)


def _absent(error: Exception) -> bool:
    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code == 404
    if isinstance(error, MlflowException):
        return error.error_code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}
    return isinstance(error, FileNotFoundError)


def sha256(path: Path) -> str:
    """Of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
