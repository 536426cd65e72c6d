"""Back to the champion before: what ``promote --rollback true`` does."""

from datetime import UTC, datetime

from heart_reader.errors import ModelError
from heart_reader.tracking import runs as tracking
from registry.client import CHAMPION, PREVIOUS, Registry, pinned
from registry.trust.chain import AUDITED, write_record


def roll_back(registry: Registry, name: str) -> None:
    """``previous`` becomes champion again, and the champion becomes ``previous``.

    Raises:
        ModelError: there is no champion, or nothing to go back to.
    """
    champion, previous = registry.find(name, CHAMPION), registry.find(name, PREVIOUS)
    if champion is None or previous is None or champion == previous:
        raise ModelError(f"{name} has no previous champion to go back to")
    with tracking.open_run(f"roll back {name} to {previous.version}") as run:
        run.set_tags({"model": previous.uri, "champion": pinned(champion), "gate": "rollback"})
        before = str(registry.tags(previous).get("data_digest", "unknown"))
        why = f"{pinned(previous)} put back in place of {pinned(champion)}"
        write_record(registry, run, previous, champion, "rolled back", why, {}, before)
        registry.make_champion(previous)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        judged = {"gate_run": run.run_id, "gate_time": now, "gate_reason": why}
        registry.set_tags(champion, judged | {"gate": "rolled back"})
        registry.set_tags(previous, judged | {"gate": "put back", AUDITED: run.run_id})
    print(f"{pinned(previous)} is champion again, in place of {pinned(champion)}")
