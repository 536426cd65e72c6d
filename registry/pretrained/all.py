"""Entry point ``pretrained``: from a fresh clone to a champion ensemble, without any data.

Imports every bundle of ``pretrained/``, promotes each through the gate, and syncs.

python -m registry.pretrained.all
python -m registry.pretrained.all --data PATH        # test report and edge export as well
"""

import sys

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ModelError
from heart_reader.tracking import ModelVersion
from registry.client import Registry, pinned
from registry.gate import promote
from registry.pretrained import import_bundle
from registry.settings import DEFAULTS, load_settings
from registry.sync import syncer as sync


def main() -> None:
    """Reads the options and the bundles, and does all of it.

    Raises:
        ModelError: the gate refused one; the others are champions.
    """
    options = dotted_options(sys.argv[1:])
    syncer = sync.make_syncer(options)
    settings, science = load_settings(options)
    overlay = science.pop("config", "default")
    found = [import_bundle.read(folder) for folder in import_bundle.pretrained()]
    registry = Registry()
    versions = import_bundle.import_all(registry, found)
    refused = [
        version
        for version in versions
        if not promote.promote(registry, version, "none", overlay, science, settings.gate)
    ]
    syncer.round()
    if refused:
        raise ModelError(f"the gate refused {', '.join(map(pinned, refused))}: its runs say why")
    print_addresses(versions)


def print_addresses(versions: list[ModelVersion]) -> None:
    """What can be served and explained now."""
    for version in versions:
        print(f"champion: models:/{version.name}@champion (version {version.version})")


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
