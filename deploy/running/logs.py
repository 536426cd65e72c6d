"""Log files that don't grow for ever, of processes that hold them open."""

import shutil
from itertools import pairwise
from pathlib import Path

MOST_BYTES, MOST_FILES = 10_000_000, 5  # what the containers' logs have, too


def rotate(log: Path, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> bool:
    """Moves what is in a large log into ``LOG.1``, and what was there one further.

    The process goes on writing into the same file, which it must have opened for appending; what
    it writes within the copy's milliseconds is lost.

    Returns:
        Whether there was anything to do.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return False
    older = [log.with_name(f"{log.name}.{number}") for number in range(1, most_files)]
    for source, target in reversed(list(pairwise(older))):
        if source.exists():
            source.replace(target)
    shutil.copyfile(log, older[0])
    with log.open("r+b") as file:
        file.truncate()
    return True
