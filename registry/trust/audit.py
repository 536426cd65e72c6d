"""Entry point ``audit``: who made which version champion, when and why; and whether that is true.

python -m registry.trust.audit --model heart-reader-se_resnet1d
python -m registry.trust.audit --model all --keys sync.pub.pem

Exits 2 where something doesn't verify: a record that was changed, taken out, or signed by a key
that isn't known; a champion that no record names; a bundle that isn't the one that was promoted.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError, ModelError
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.delivery.outage import shown_uri
from registry.client import CHAMPION, Registry, name_of
from registry.trust.chain import Chain, read_chain
from registry.trust.keys import trusted_keys
from registry.trust.witness import witnessed

BROKEN = 2  # exit code
COLUMNS = ("n", "time", "who", "what", "champion", "instead of", "reason", "data", "commit")


def main(words: Sequence[str]) -> None:
    """Reads the options, prints each chain, and exits 2 where one doesn't verify."""
    options = dict(dotted_options(words))
    model, files = options.pop("model", "all"), options.pop("keys", "none")
    if options:
        raise ConfigError(f"audit takes --model and --keys, not {', '.join(sorted(options))}")
    tracking.set_up_tracking()
    registry, keys = Registry(), trusted_keys(files)
    chains = {
        name: witnessed(name, read_chain(registry, name, keys))
        for name in names_of(registry, model)
    }
    for name, chain in chains.items():
        print_chain(name, chain)
    if any(chain.problems for chain in chains.values()):
        raise SystemExit(BROKEN)


def names_of(registry: Registry, model: str) -> list[str]:
    """The model that was named; for ``all``, those that have a champion.

    Raises:
        ModelError: there is none.
    """
    if model != "all":
        name = name_of(model)
        if registry.model(name) is None:
            raise ModelError(f"{shown_uri()} has no model {name}")
        return [name]
    found = [name for name in registry.names() if registry.find(name, CHAMPION) is not None]
    if not found:
        raise ModelError(f"no model in {shown_uri()} has a champion")
    return found


def print_chain(name: str, chain: Chain) -> None:
    """A row a record, then what is wrong, or that nothing is."""
    table = Table(*COLUMNS, title=name)
    for each in chain.records:
        record = each.record
        table.add_row(
            str(record.number), record.time, record.who, record.action,
            record.came.rpartition("/")[2], record.left.rpartition("/")[2], record.reason,
            record.data_digest[:8], record.code_commit[:8],
        )  # fmt: skip
    console = Console(markup=False, highlight=False)
    console.print(table)
    for problem in chain.problems:
        console.print(f"{name}: BROKEN: {problem}", soft_wrap=True)
    if not chain.problems:
        n = len(chain.records)
        console.print(f"{name}: {n} records verify: hashes, signatures, champion and bundles")


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
