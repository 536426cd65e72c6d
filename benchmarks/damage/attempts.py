"""What the fuzzers share: damage, what became of it, and the table that says so."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from types import FrameType

import numpy as np

from heart_reader.errors import HeartReaderError

LONGEST = 5.0  # s that an input may take
EXTREMES = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff", b"\0\x80", b"\0\0")


class TooLongError(BaseException):  # an Exception would be taken for damage
    """An input took more than `LONGEST`."""


@dataclass
class Outcome:
    """What became of a kind's damaged inputs; ``wrong`` says each that broke a rule."""

    kind: str
    taken: int = 0
    refused: int = 0
    slowest: float = 0.0  # s
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
    began = time.perf_counter()
    previous = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        read()
        outcome.taken += 1
    except HeartReaderError as error:
        outcome.refused += 1
        if unclear(str(error)):
            outcome.wrong.append(f"unclear: {str(error)[:200]!r}")
    except TooLongError:
        outcome.wrong.append(f"more than {LONGEST} s")
    except Exception as error:  # what must not happen is counted
        outcome.wrong.append(f"{type(error).__name__}: {error}"[:300])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    outcome.slowest = max(outcome.slowest, time.perf_counter() - began)


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TooLongError


# ---------------------------------------------------------------- a process a kind


def print_outcome(outcome: Outcome) -> None:
    """For the process that started this one, with this one's peak memory in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(asdict(outcome) | {"peak": peak}))


def print_table(module: str, kinds: Iterable[str], words: Sequence[str]) -> None:
    """Runs ``python -m MODULE --kind KIND`` for each kind, and prints a row of it."""
    print("| kind | inputs | taken | refused | rule broken | slowest s | peak MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in kinds:
        command = [sys.executable, "-m", module, "--kind", kind, *words]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            print(f"| {kind} | died with {run.returncode}: {run.stderr[-200:]!r} |")
            continue
        found = json.loads(run.stdout.splitlines()[-1])
        counts = [found["taken"], found["refused"], len(found["wrong"])]
        print(f"| {kind} | {sum(counts)} | {' | '.join(map(str, counts))} | "
              f"{found['slowest']:.2f} | {found['peak']:.0f} |", flush=True)  # fmt: skip
        for line in sorted(set(found["wrong"])):
            print(f"  {kind}: {line}", file=sys.stderr)
