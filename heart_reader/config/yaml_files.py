"""YAML files: read, named, laid over each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.files import user_path

LONGEST = 256 * 1024  # bytes; a task of a thousand classes has a third of it


def named_yaml(folder: Path, name: str, what: str) -> Path:
    """The YAML file that a user names: by its path, or by its stem in one of our folders.

    Raises:
        ConfigError: no file of that name; ``what`` is what it would have been.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        return user_path(name)
    named = {path.stem: path for path in folder.glob("*.yaml")}
    if name not in named:
        raise ConfigError(
            f"unknown {what} {name!r}{did_you_mean(name, named)} "
            f"(there are {', '.join(sorted(named))}, or give the path of a .yaml file)"
        )
    return named[name]


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: no such file, no regular one, a longer one than such files are; not YAML, or
            not a mapping.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"config file {path} is no regular file")
    try:
        if (size := path.stat().st_size) > LONGEST:
            raise ConfigError(
                f"config file {path} must have at most {LONGEST:,} bytes, but has {size:,}"
            )
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"config file {path} can't be read: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError(f"config file {path} is nested too deep") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"config file {path} is not YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path} must hold a mapping, but holds {tree!r}")
    return tree


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``overlay`` in place of its own, section by section."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged
