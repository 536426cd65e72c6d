"""The one folder outside a run's own that anything is written to."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$HEART_READER_CACHE``, or ``~/.cache/heart-reader``: packs, demo data, checkpoints."""
    given = os.environ.get("HEART_READER_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "heart-reader"
