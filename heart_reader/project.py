"""Where the project's own files lie."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
CONFIG_FOLDER = _PACKAGE / "config"
CONFIG_DEFAULTS = CONFIG_FOLDER / "default.yaml"
EDGE_DEFAULTS = _PACKAGE / "edge" / "defaults.yaml"
# Of a checkout; what is installed otherwise lacks them.
REPOSITORY = _PACKAGE.parent
MLPROJECT = REPOSITORY / "MLproject"
