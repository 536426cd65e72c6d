"""What the fuzzers share: damage, what became of it, and the table that says so."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

from heart_reader.errors import HeartReaderError

LONGEST = 5.0  # s of computing that an input may take: on a busy machine others take time too
BLOCKED = 60.0  # s by the clock, after which an input that computes nothing hangs
LARGEST = 500.0  # MB above what the process held before
EXTREMES = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff", b"\0\x80", b"\0\0")


class TooLongError(BaseException):  # an Exception would be taken for damage
    """An input took more than `LONGEST`, or `BLOCKED`."""


@dataclass
class Outcome:
    """What became of a kind's damaged inputs.

    Attributes:
        kind: of input.
        taken: were read.
        refused: with a clear line.
        slowest: s of computing that one took.
        slowest_refusal: likewise, of those that were refused.
        largest: MB that one took above what the process held before.
        wrong: says each that broke a rule.
    """

    kind: str
    taken: int = 0
    refused: int = 0
    slowest: float = 0.0
    slowest_refusal: float = 0.0
    largest: float = 0.0
    wrong: list[str] = field(default_factory=list)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one kind of damage; the beginning, where headers are, is hit more often."""
    damaged = bytearray(content)
    span = len(content) if rng.random() < 0.5 else min(len(content), 2000)
    where = int(rng.integers(span))
    match int(rng.integers(5)):
        case 0:
            for place in rng.integers(span, size=rng.integers(1, 17)):
                damaged[place] = int(rng.integers(256))
        case 1:
            del damaged[where:]
        case 2:
            extreme = EXTREMES[int(rng.integers(len(EXTREMES)))]
            damaged[where : where + len(extreme)] = extreme
        case 3:
            damaged[where:where] = damaged[where : where + int(rng.integers(1, 500))]
        case _:
            numbers = list(re.finditer(rb"\d+", content[:span]))
            if numbers:
                found = numbers[int(rng.integers(len(numbers)))]
                damaged[found.start() : found.end()] = b"9" * int(rng.integers(1, 12))
    return bytes(damaged)


def attempt(read: Callable[[], None], outcome: Outcome, unclear: Callable[[str], bool]) -> None:
    """Reads one input and counts what became of it.

    Args:
        read: raises one of our errors where it refuses.
        outcome: that is counted in.
        unclear: whether an error's message doesn't say enough.
    """
    held, began = forgotten_peak(), time.process_time()
    before, refused = len(outcome.wrong), outcome.refused
    try:
        with limits():
            read()
        outcome.taken += 1
    except HeartReaderError as error:
        outcome.refused += 1
        if unclear(str(error)):
            outcome.wrong.append(f"unclear: {str(error)[:200]!r}")
    except TooLongError:
        outcome.wrong.append(f"more than {LONGEST} s of computing, or {BLOCKED} s of waiting")
    except Exception as error:  # what must not happen is counted
        outcome.wrong.append(f"{type(error).__name__}: {error}"[:300])
    took, largest = time.process_time() - began, peak() - held
    if largest > LARGEST and len(outcome.wrong) == before:
        outcome.wrong.append(f"took {largest:.0f} MB")
    outcome.slowest, outcome.largest = max(outcome.slowest, took), max(outcome.largest, largest)
    if outcome.refused > refused:
        outcome.slowest_refusal = max(outcome.slowest_refusal, took)


@contextmanager
def limits() -> Iterator[None]:
    """Ends with `TooLongError` what computes, or waits, for too long."""
    names = (
        (signal.SIGPROF, signal.ITIMER_PROF, LONGEST),
        (signal.SIGALRM, signal.ITIMER_REAL, BLOCKED),
    )
    previous = [signal.signal(name, _too_long) for name, _, _ in names]
    for _, timer, seconds in names:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (name, timer, _), handler in zip(names, previous, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(name, handler)


def forgotten_peak() -> float:
    """MB that this process holds, from which its peak is counted anew (Linux, ``man 5 proc``)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> float:
    """MB that this process held at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TooLongError


# ---------------------------------------------------------------- a process a kind


def print_outcome(outcome: Outcome) -> None:
    """For the process that started this one."""
    print(json.dumps(asdict(outcome)))


HEAD = "kind | inputs | taken | refused | rule broken | slowest s | slowest refusal s | most MB"


def print_table(module: str, kinds: Iterable[str], words: Sequence[str]) -> None:
    """Runs ``python -m MODULE --kind KIND`` for each kind, and prints a row of it."""
    print(f"| {HEAD} |\n|{' --- |' * len(HEAD.split('|'))}")
    for kind in kinds:
        command = [sys.executable, "-m", module, "--kind", kind, *words]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            print(f"| {kind} | died with {run.returncode}: {run.stderr[-200:]!r} |")
            continue
        found = json.loads(run.stdout.splitlines()[-1])
        counts = [found["taken"], found["refused"], len(found["wrong"])]
        times = f"{found['slowest']:.2f} | {found['slowest_refusal']:.2f}"
        print(f"| {kind} | {sum(counts)} | {' | '.join(map(str, counts))} | {times} | "
              f"{found['largest']:.0f} |", flush=True)  # fmt: skip
        for line in sorted(set(found["wrong"])):
            print(f"  {kind}: {line}", file=sys.stderr)
