"""Entry point ``pretrained``: from a fresh clone to a champion ensemble, without any data.

Imports every bundle of ``pretrained/``, promotes each through the gate, and syncs.

python -m registry.pretrained.all
python -m registry.pretrained.all --data PATH        # test report and edge export as well
"""

from collections.abc import Sequence

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ModelError
from heart_reader.tracking import ModelVersion
from heart_reader.tracking import runs as tracking
from registry.client import Registry, pinned
from registry.commands import DEFAULTS
from registry.gate.promote import PromoteRequest, promote
from registry.pretrained import import_bundle
from registry.sync.steps import SyncRequest
from registry.sync.syncer import Syncer, read_request


def main(words: Sequence[str]) -> None:
    """Reads the options and does all of it."""
    request = read_request(dotted_options(words))
    tracking.set_up_tracking()
    run(request)


def run(request: SyncRequest) -> None:
    """Imports, promotes, syncs.

    Raises:
        ModelError: the gate refused one; the others are champions.
    """
    found = [import_bundle.read(folder) for folder in import_bundle.pretrained()]
    registry = Registry()
    versions = import_bundle.import_all(registry, found)
    refused = [
        version
        for version in versions
        if not promote(
            registry, PromoteRequest(version.uri, None, request.config, request.settings.gate)
        )
    ]
    Syncer(registry, request).round()
    if refused:
        raise ModelError(f"the gate refused {', '.join(map(pinned, refused))}: its runs say why")
    print_addresses(versions)


def print_addresses(versions: list[ModelVersion]) -> None:
    """What can be served and explained now."""
    for version in versions:
        print(f"champion: models:/{version.name}@champion (version {version.version})")


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
