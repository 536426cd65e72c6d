"""Whether `sync` follows a champion, and whether a candidate's time has come.

Any champion is, or those alone whose promotion is on record:
with `sync.champions=recorded` the chain of a model must verify down to its first record, signed by
keys that are known here, and end with the version that is champion now.
"""

from heart_reader.errors import HeartReaderError
from heart_reader.tracking import ModelVersion
from registry.client import Registry, pinned
from registry.gate.shadow import why_not_yet
from registry.settings import GateConfig, SyncConfig
from registry.trust.chain import HEAD, read_chain
from registry.trust.keys import trusted_keys
from registry.trust.witness import witnessed


class Followed:
    """Answers once for each state of a model; to read a chain takes a request a record.

    Args:
        registry: where the chains are.
        settings: which champions are followed, and the keys that are believed.
        gate: what a candidate must have said as a shadow, or ``None``.
    """

    def __init__(
        self, registry: Registry, settings: SyncConfig, gate: GateConfig | None = None
    ) -> None:
        self.registry, self.settings, self.gate = registry, settings, gate
        self._known: dict[tuple[str, str, str], str] = {}

    def doubt(self, champion: ModelVersion) -> str:
        """Why a champion isn't followed; "" where it is."""
        if self.settings.champions == "any":
            return ""
        model = self.registry.model(champion.name)
        head = "" if model is None else dict(model.tags).get(HEAD, "")
        key = (champion.name, champion.version, head)
        if key not in self._known:
            self._known[key] = self._look(champion)
        return self._known[key]

    def early(self, candidate: ModelVersion, champion: ModelVersion) -> str:
        """Why the gate can't judge a candidate yet; "" where it can."""
        return "" if self.gate is None else why_not_yet(candidate, champion, self.gate)

    def _look(self, champion: ModelVersion) -> str:
        keys = trusted_keys(self.settings.keys)
        try:
            chain = read_chain(self.registry, champion.name, keys)
        except HeartReaderError as error:
            return str(error)
        problems = witnessed(champion.name, chain).problems
        return f"champion {pinned(champion)} isn't followed: {problems[0]}" if problems else ""
