"""Fetch PTB-XL at 100 Hz (records100 and the two CSV files) from PhysioNet.

The hashes are those of PhysioNet's own SHA256SUMS.txt. A file that is there and good is not
fetched again, so a download that was interrupted goes on where it stopped; a file appears under
its name only when its hash is right.
"""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from heart_reader.data.ptbxl import METADATA_FILE, STATEMENTS_FILE
from heart_reader.errors import DataError
from heart_reader.progress import progress

PHYSIONET = "https://physionet.org/files/ptb-xl/1.0.3/"
SUMS_FILE = "SHA256SUMS.txt"

_WANTED = re.compile(
    rf"{re.escape(METADATA_FILE)}|{re.escape(STATEMENTS_FILE)}|"
    r"records100/\d{5}/\d{5}_lr\.(?:dat|hea)"
)
_HASH = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 8  # 43,600 small files: the wait for each answer dominates
_RETRIES = 3
_TIMEOUT = 60  # s without a byte


def download(root: Path, base_url: str) -> int:
    """Fetch every wanted file that ``root`` lacks or has damaged; return how many there are.

    Raises:
        DataError: The server can't be reached, or a file fails or is damaged after retries.
    """
    base_url = base_url.rstrip("/") + "/"
    sums = _fetch_sums(base_url)
    try:
        for folder in sorted({(root / name).parent for name in sums}):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"can't write to {root} ({error}): give another --data") from error
    _fetch_all(root, base_url, sums)
    return len(sums)


def _fetch_sums(base_url: str) -> dict[str, str]:
    """Name -> ``sha256:...`` of the files that are wanted, as the server publishes them."""
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    with TemporaryDirectory() as folder:
        try:
            path = pooch.retrieve(
                base_url + SUMS_FILE, None, SUMS_FILE, folder, downloader=_downloader()
            )
            text = Path(path).read_text(encoding="utf-8")
        except (ValueError, OSError) as error:  # those of requests are OSErrors
            raise DataError(
                f"can't fetch {base_url}{SUMS_FILE} ({_one_line(error)}): check the address and "
                f"the network, then run the same command again"
            ) from error
    sums = {}
    for line in text.splitlines():
        digest, _, name = line.partition(" ")
        name = name.strip().removeprefix("*")
        if _HASH.fullmatch(digest) and _WANTED.fullmatch(name):
            sums[name] = f"sha256:{digest}"
    for name in (METADATA_FILE, STATEMENTS_FILE):
        if name not in sums:
            raise DataError(
                f"{base_url}{SUMS_FILE} doesn't list {name}: that isn't a PTB-XL folder; "
                f"the original is {PHYSIONET}"
            )
    return sums


def _fetch_all(root: Path, base_url: str, sums: dict[str, str]) -> None:
    import pooch

    store = pooch.create(root, base_url, registry=sums, retry_if_failed=_RETRIES)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        names = list(sums)
        jobs = [pool.submit(store.fetch, name, None, _downloader()) for name in names]
        for name, job in zip(names, progress(jobs, "fetching", "files"), strict=True):
            try:
                job.result()
            except (ValueError, OSError) as error:  # a wrong hash is a ValueError
                pool.shutdown(wait=False, cancel_futures=True)
                raise DataError(
                    f"can't fetch {base_url}{name} ({_one_line(error)}): run the same command "
                    f"again, it goes on where it stopped"
                ) from error


def _downloader() -> Any:
    import pooch

    return pooch.HTTPDownloader(timeout=_TIMEOUT, chunk_size=65536)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
