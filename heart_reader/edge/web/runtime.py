"""ONNX Runtime Web, by npm from its registry: what runs a model inside a browser.

Two files of one pinned package are kept, as they are in it; each is known by its SHA-256.
"""

import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from heart_reader.errors import HeartReaderError
from heart_reader.files import sha256_of, written_whole

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"  # MIT, Copyright Microsoft Corporation
GLUE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
SUMS = {
    GLUE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
LONGEST_REQUEST, LONGEST = 30, 180  # s; 33 MB


class NoRuntimeError(HeartReaderError):
    """The package isn't to be had here."""


@dataclass(frozen=True)
class BrowserRuntime:
    """The package's script and its WebAssembly."""

    glue: Path
    wasm: Path


def browser_runtime(cache: Path) -> BrowserRuntime:
    """From the cache, or by npm into it.

    Raises:
        NoRuntimeError: no npm, no network, or another file than the one that is pinned.
    """
    folder = cache / PACKAGE / VERSION
    paths = {name: folder / name for name in SUMS}
    if not all(path.is_file() and sha256_of(path) == SUMS[name] for name, path in paths.items()):
        with TemporaryDirectory() as work:
            _unpack(_packed(Path(work)), folder)
    return BrowserRuntime(paths[GLUE], paths[WASM])


def _packed(work: Path) -> Path:
    """The package's archive."""
    npm = shutil.which("npm")
    if npm is None:
        raise NoRuntimeError(f"npm isn't installed, by which {PACKAGE} {VERSION} is fetched")
    command = [
        npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--prefer-offline",
        "--no-update-notifier", "--fetch-retries=0", f"--fetch-timeout={LONGEST_REQUEST * 1000}",
        "--loglevel=error",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=work, capture_output=True, text=True, timeout=LONGEST, check=False,
            env=os.environ | {"NODE_OPTIONS": ""},
        )  # fmt: skip
    except (subprocess.TimeoutExpired, OSError) as error:
        raise NoRuntimeError(f"npm didn't fetch {PACKAGE} {VERSION}: {error}") from error
    archives = list(work.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = said[0].removeprefix("npm error ")[:120] if said else "it says nothing"
        raise NoRuntimeError(f"npm can't fetch {PACKAGE} {VERSION}: {why}")
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as package:
        for name, expected in SUMS.items():
            found = package.extractfile(f"package/dist/{name}")
            if found is None:
                raise NoRuntimeError(f"{PACKAGE} {VERSION} has no {name}")
            with written_whole(folder / name) as path, found:
                path.write_bytes(found.read())
                if sha256_of(path) != expected:
                    raise NoRuntimeError(f"{name} of {PACKAGE} {VERSION} isn't the pinned one")
