"""The one folder outside a run's own that anything is written to."""

import os
from pathlib import Path

from heart_reader.files import user_path


def cache_folder() -> Path:
    """``$HEART_READER_CACHE``, or ``~/.cache/heart-reader``: packs, demo data, checkpoints."""
    given = os.environ.get("HEART_READER_CACHE")
    return user_path(given) if given else Path.home() / ".cache" / "heart-reader"
