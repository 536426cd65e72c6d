"""The second converter's packages: in a folder of their own, over the project's environment.

litert-torch wants jax, transformers and more, which nothing else here needs: they are installed
where somebody asks for this converter, and are seen by its process alone.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from heart_reader.bundle.folders import whole_folder
from heart_reader.errors import ModelError

LOCK = Path(__file__).with_name("locked.txt")
SECONDS = 1800.0


def litert_packages(cache: Path) -> Path:
    """The folder that the packages are in; they are installed on first use.

    Raises:
        ModelError: pip can't.
    """
    folder = cache / "litert-torch" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    if not folder.is_dir():
        with whole_folder(folder) as beside:
            _install(beside)
    return folder


def _install(folder: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile",
        "--disable-pip-version-check", "--target", str(folder), "-r", str(LOCK),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"litert-torch isn't installed after {SECONDS:.0f} s") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        why = errors[0][:200] if errors else "it says nothing"
        raise ModelError(f"pip can't install litert-torch (edge.converter=litert): {why}")
