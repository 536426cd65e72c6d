"""Any bundle folder, whatever kind of bundle is in it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from heart_reader.bundle.ensemble import EnsembleBundle, load_ensemble
from heart_reader.bundle.folders import BUNDLE, ENSEMBLE
from heart_reader.bundle.single import Bundle, load_bundle

AnyBundle = Bundle | EnsembleBundle
# The file that tells what a folder holds, and how to read it.
READERS: Mapping[str, Callable[[Path], AnyBundle]] = {
    BUNDLE: load_bundle,
    ENSEMBLE: load_ensemble,
}


def open_bundle(folder: Path) -> AnyBundle:
    """The bundle or ensemble of a folder.

    Raises:
        ModelError: a file missing, damaged, of another format, or weights that don't fit.
    """
    for name, read in READERS.items():
        if (folder / name).exists():
            return read(folder)
    return load_bundle(folder)  # it says what is missing
