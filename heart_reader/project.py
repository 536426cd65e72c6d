"""Where the project's own files lie, for what is started from a checkout of it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MLPROJECT = REPOSITORY / "MLproject"
