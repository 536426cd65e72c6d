"""What should follow from what the registry holds, and isn't there yet.

It looks at the state, never at events: whoever asks, and however often, gets the same answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from heart_reader.tracking import ModelVersion, registered_name
from heart_reader.tracking.versions import CANDIDATE
from registry.client import (
    CHAMPION,
    EXPORT,
    REFUSED,
    SOURCE,
    Registry,
    backbone_names,
    member_tags,
    pinned,
    short_name,
)
from registry.settings import load_settings
from registry.watch.schedule import is_due


@dataclass(frozen=True)
class Step:
    """One follow-on run that is missing.

    Attributes:
        entry: its kind, as in `registry.sync.steps.STEPS`.
        model: the registered model that a claim on it lies on.
        work: what the claim is on; two steps with the same are the same.
        reason: why it is due.
        target: what it works on: a version's address, or several with commas between them.
    """

    entry: str
    model: str
    work: str
    reason: str
    target: str

    @property
    def key(self) -> str:
        """Unique among the steps of a plan."""
        return f"{self.model}:{self.work}"


class State:
    """What the registry holds now of a task's models; each question is asked once.

    Args:
        registry: that is asked.
        task: as of `registry.client.task_of`.
        doubt: why a champion isn't followed, "" where it is; all are where it isn't given.
        early: of a candidate and its champion, why the gate can't judge yet, "" where it can.
    """

    def __init__(
        self,
        registry: Registry,
        task: str | None = None,
        doubt: Callable[[ModelVersion], str] = lambda champion: "",
        early: Callable[[ModelVersion, ModelVersion], str] = lambda candidate, champion: "",
    ) -> None:
        self.registry, self.task, self.doubt, self.early = registry, task, doubt, early
        self.ensemble_name = registered_name("ensemble", task)
        self._tags: dict[ModelVersion, dict[str, str]] = {}

    def tags(self, version: ModelVersion) -> dict[str, str]:
        """The tags of a version."""
        if version not in self._tags:
            self._tags[version] = self.registry.tags(version)
        return self._tags[version]

    @cached_property
    def _found(self) -> list[tuple[ModelVersion, str]]:
        """Every champion, with why it isn't followed."""
        names = (*backbone_names(self.task), self.ensemble_name)
        found = (self.registry.find(name, CHAMPION) for name in names)
        return [(version, self.doubt(version)) for version in found if version is not None]

    @property
    def doubts(self) -> list[str]:
        """Of the champions that aren't followed."""
        return [doubt for _, doubt in self._found if doubt]

    @property
    def reported(self) -> list[ModelVersion]:
        """The champions that are followed: fold 10 is for nobody else."""
        return [version for version, doubt in self._found if not doubt]

    @property
    def champions(self) -> list[ModelVersion]:
        """Those of the backbones."""
        return [version for version in self.reported if version.name != self.ensemble_name]

    @property
    def ensemble(self) -> ModelVersion | None:
        """The one among the ensembles."""
        return next((v for v in self.reported if v.name == self.ensemble_name), None)

    @cached_property
    def candidate(self) -> ModelVersion | None:
        """The newest ensemble."""
        return self.registry.find(self.ensemble_name, CANDIDATE)

    @cached_property
    def unripe(self) -> str:
        """Why the newest ensemble can't be judged yet; "" where it can, or was."""
        newest, champion = self.candidate, self.ensemble
        if newest is None or champion in (None, newest) or "gate" in self.tags(newest):
            return ""
        return self.early(newest, champion)

    @cached_property
    def exported(self) -> set[str | None]:
        """Pinned versions that edge versions were exported from."""
        edge = registered_name("edge", self.task)
        return {each.tags.get(SOURCE) for each in self.registry.versions(edge)}


# ---------------------------------------------------------------- what is due


def ensemble_due(state: State) -> list[Step]:
    """The champions are others than those that the newest ensemble is made of."""
    if len(state.champions) < 2:
        return []
    members = member_tags(state.champions)["members"]
    newest = state.candidate
    made_of = "" if newest is None else state.tags(newest).get("members", "")
    if newest is not None and set(made_of.split(",")) == set(members.split(",")):
        return []
    new = sorted(set(members.split(",")) - set(made_of.split(",")))
    gone = sorted(set(made_of.split(",")) - set(members.split(",")) - {""})
    what = f"champions {', '.join(map(short_name, new))}" if new else "champions without"
    reason = f"{what} {', '.join(map(short_name, gone))}" if gone and not new else what
    return [Step("ensemble", state.ensemble_name, "ensemble", reason, members)]


def promote_due(state: State) -> list[Step]:
    """The newest ensemble is made of the champions, and the gate hasn't judged it."""
    newest = state.candidate
    if newest is None or len(state.champions) < 2 or ensemble_due(state):
        return []
    if "gate" in state.tags(newest) or newest == state.ensemble or state.unripe:
        return []
    return [_on_version("promote", newest, "a candidate that the gate hasn't seen")]


def card_due(state: State) -> list[Step]:
    """A version was tested since its card was written."""
    late = [
        version
        for version in state.reported
        if "test/run_id" in state.tags(version)
        and state.tags(version).get("card/test_run_id") != state.tags(version)["test/run_id"]
    ]
    return [_on_version("card", each, "a test report that isn't in its card") for each in late]


def evaluate_due(state: State) -> list[Step]:
    """A version was never tested."""
    untested = [each for each in state.reported if "test/run_id" not in state.tags(each)]
    return [_on_version("evaluate", version, "no test report") for version in untested]


def export_due(state: State) -> list[Step]:
    """A champion has no files for a device, and wasn't refused any."""
    missing = [
        each
        for each in state.champions
        if pinned(each) not in state.exported and state.tags(each).get(EXPORT) != REFUSED
    ]
    return [_on_version("export", version, "no edge export") for version in missing]


def monitor_due(state: State) -> list[Step]:
    """Champions whose answers are logged and weren't looked at for long."""
    fewest = load_settings({})[0].monitor.fewest
    late = [v for v in state.reported if is_due(pinned(v), state.tags(v), fewest)]
    return [_on_version("monitor", version, "answers that nobody looked at") for version in late]


def _on_version(entry: str, version: ModelVersion, reason: str) -> Step:
    work = f"{entry}-{version.version}"
    return Step(entry, version.name, work, reason, version.uri)
