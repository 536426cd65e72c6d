"""Entry point ``sync``: looks at the registry and runs whichever follow-on run is missing.

python -m registry.sync.syncer
python -m registry.sync.syncer --dry_run true
python -m registry.sync.syncer --watch true --interval 60
"""

import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from heart_reader.cli.entry import as_words, dotted_options, run_entry, truth
from heart_reader.config.request import config_request
from heart_reader.errors import HeartReaderError, TrackingError
from heart_reader.tracking import resolve_version
from heart_reader.tracking import runs as tracking
from registry import claims
from registry.client import Registry
from registry.commands import DEFAULTS
from registry.gate.promote import REFUSED
from registry.ground.fold9 import data_present, data_root_of
from registry.ground.pace import left_of
from registry.settings import load_settings
from registry.sync.plan import Step
from registry.sync.recorded import Followed
from registry.sync.step import BUSY
from registry.sync.steps import STEPS, SyncRequest, due, lacking

PAUSE = 1.0  # seconds between two looks while somebody else works


def main(words: Sequence[str]) -> None:
    """Reads the options and does it."""
    options = dotted_options(words)
    flags = {name: truth(name, options.pop(name, "false")) for name in ("watch", "dry_run")}
    sync(read_request(options), **flags)


def sync(request: SyncRequest, watch: bool = False, dry_run: bool = False) -> None:
    """One round, a watch, or the plan alone."""
    (tracking.set_up_reading if dry_run else tracking.set_up_tracking)()
    syncer = Syncer(Registry(), request)
    if dry_run:
        syncer.print_plan()
    elif watch:
        syncer.watch()
    else:
        syncer.round()


def read_request(options: Mapping[str, str]) -> SyncRequest:
    """What the options ask for.

    Raises:
        ConfigError: unknown options or values.
    """
    settings, left = load_settings(options)
    config = config_request(left)
    config.check()
    return SyncRequest(settings, config, tuple(as_words(options)))


class Syncer:
    """Looks, and runs one missing step after the other, each in a process of its own.

    Attributes:
        wake: set by whoever knows of a change; a watch then looks at once.
        stop: set to end a watch; a step that is running is asked to end by SIGTERM.
        looked: when the last round of a watch ended, on the monotonic clock.
    """

    def __init__(self, registry: Registry, request: SyncRequest) -> None:
        self.registry = registry
        self.request = request
        self.settings = request.settings.sync
        self.followed = Followed(registry, self.settings, request.settings.gate)
        self.wake = threading.Event()
        self.stop = threading.Event()
        self.looked = time.monotonic()
        self._failures: dict[str, tuple[int, float]] = {}  # how often, and when the last time
        self._roots: dict[str, str] = {}  # of the data that steps read

    # ------------------------------------------------------------ looking

    def look(self) -> tuple[list[Step], list[Step]]:
        """Steps that can be run now, and steps that somebody else is at."""
        steps = [
            step for step in due(self.registry, self.followed) if not self._missing_data(step)
        ]
        busy = {
            (claim.model, claim.work)
            for model in {step.model for step in steps}
            for claim in claims.claims(self.registry, model)
            if claim.live
        }
        others = [step for step in steps if (step.model, step.work) in busy]
        return [step for step in steps if step not in others and not self._waits(step)], others

    def print_plan(self) -> None:
        """The plan as a table."""
        ready, others = self.look()
        table = Table("step", "for", "because", "state", title="What should follow")
        steps = due(self.registry, self.followed)
        for step in steps:
            state = "somebody is at it" if step in others else "due" if step in ready else "waits"
            if self._missing_data(step):
                state = f"waits for data: {self._missing_data(step)!r} isn't here"
            table.add_row(step.entry, step.model, step.reason, state)
        Console().print(table if steps else "nothing to do")

    # ------------------------------------------------------------ doing

    def round(self) -> None:
        """Runs what is missing until nothing is, and waits for what others are at.

        Raises:
            TrackingError: steps that failed.
        """
        claims.sweep(self.registry, self.registry.names())
        done = 0
        while not self.stop.is_set():
            ready, others = self.look()
            if ready:
                done += self.run(ready[0], [step.entry for step in ready])
            elif others:
                self.stop.wait(PAUSE)
            else:
                break
        self._say_unavailable()
        for line in lacking(self.registry, self.followed):
            print(line, flush=True)
        if self._failures:
            raise TrackingError(f"steps that failed: {', '.join(sorted(self._failures))}")
        if not done:
            print("nothing to do", flush=True)

    def watch(self) -> None:
        """Rounds for ever, one after each interval or when woken."""
        while not self.stop.is_set():
            self.wake.clear()
            self.attempt(self.round)
            self.looked = time.monotonic()
            self.wake.wait(self.settings.interval)

    def attempt(self, work: Callable[[], None]) -> bool:
        """Does something that may fail without taking the watch along; whether it went well.

        The store may be away, or a step fail: the next look finds what is missing. What the
        registry holds was written by whoever may write there, so that any error may come of it.
        """
        try:
            work()
        except HeartReaderError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
        except Exception:  # see above: the watch goes on
            traceback.print_exc()
        else:
            return True
        return False

    def run(self, step: Step, due_now: Sequence[str] = ()) -> bool:
        """Runs one step of those that are due, whose kinds are given; whether it was done here."""
        kinds = [kind for kind in due_now or [step.entry] if not STEPS[kind].in_process]
        left = f"{len(due_now) or 1} due now{left_of(kinds)}"
        print(f"{step.entry} for {step.model}: {step.reason} ({left})", flush=True)
        started = time.monotonic()
        code = self._in_process(step) if STEPS[step.entry].in_process else self._process(step)
        print(f"{step.entry} took {time.monotonic() - started:.0f} s", flush=True)
        if code == BUSY or self.stop.is_set():
            return False
        if code in (0, REFUSED):
            self._failures.pop(step.key, None)
            return True
        times, _ = self._failures.get(step.key, (0, 0.0))
        self._failures[step.key] = (times + 1, time.monotonic())
        print(f"error: {step.key} ended with {code}", file=sys.stderr, flush=True)
        return False

    def _in_process(self, step: Step) -> int:
        codes: list[int] = []
        kind = STEPS[step.entry]
        self.attempt(lambda: codes.append(kind.run(self.registry, step, self.request)))
        return codes[0] if codes else 1

    def _process(self, step: Step) -> int:
        # Under `mlflow run` the steps are children of its run; it ends that run itself.
        parent = os.environ.get("MLFLOW_RUN_ID", "none")
        words = [*as_words({"step": step.key, "parent": parent}), *self.request.words]
        environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_RUN_ID"}
        process = subprocess.Popen(
            [sys.executable, "-m", "registry.sync.step", *words], env=environment
        )
        try:
            while process.poll() is None:
                if self.stop.wait(0.2):
                    break
        finally:
            if process.poll() is None:
                process.terminate()  # it ends its run as KILLED and gives its claim back
            process.wait()
        return int(process.returncode)

    def _waits(self, step: Step) -> bool:
        if step.key not in self._failures:
            return False
        times, last = self._failures[step.key]
        doubled = self.settings.interval * 2.0 ** (times - 1)
        return time.monotonic() < last + min(doubled, self.settings.longest_wait)

    def _missing_data(self, step: Step) -> str:
        """Where a step's records would be if they were on this machine; "" where they are."""
        if not STEPS[step.entry].needs_data or self.request.config.names_data:
            return ""
        if step.key not in self._roots:
            self._roots[step.key] = data_root_of(resolve_version(step.target))
        root = self._roots[step.key]
        return "" if data_present(root) else root

    def _say_unavailable(self) -> None:
        for step in due(self.registry, self.followed):
            if root := self._missing_data(step):
                print(
                    f"{step.entry} for {step.model} waits for data: there is no PTB-XL at "
                    f"{root!r}; sync again with data=PATH",
                    flush=True,
                )


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
