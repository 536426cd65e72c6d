"""The model that a user names: a folder, or a version of the registry."""

import re

from heart_reader.bundle.kinds import AnyBundle, open_bundle
from heart_reader.files import user_path


def find_bundle(address: str) -> tuple[AnyBundle, str]:
    """The bundle of a folder or of the registry, and its pinned name."""
    folder = user_path(address)
    if folder.is_dir() or not looks_registered(address):
        return open_bundle(folder), address
    # Only here: a bundle folder is read without MLflow.
    from heart_reader.tracking import load_registered, resolve_version, set_up_reading

    set_up_reading()
    version = resolve_version(address)
    return load_registered(version), version.uri


def looks_registered(address: str) -> bool:
    """Whether it is ``NAME@ALIAS`` or ``NAME/VERSION``, rather than a folder that isn't there."""
    return re.fullmatch(r"models:.*|[^@/]+(@[^@/]+|/\d+)", address) is not None
