"""A registered bundle, read and asked by our code in a process of its own without secrets.

python -P -m registry.gate.clean_load BUNDLE INPUT.npz OUTPUT.npy

What came from the registry is data: of a version, only its bundle (JSON and safetensors) gets
here, never the code that lies beside it. The process has no credentials, no network where the
system lets it go without, and limits on memory and time.
"""

import ctypes
import resource
import sys
from pathlib import Path

SECONDS = 900  # of computing, on a busy machine
MEMORY = 8 * 2**30  # bytes
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # of <linux/sched.h>


def main(folder: str, given: str, target: str) -> None:
    """Predicts the signals of a file with a bundle."""
    shut_in()  # before anything reads what the registry held
    import numpy as np

    from heart_reader.bundle.kinds import open_bundle
    from heart_reader.bundle.measuring import Features

    bundle = open_bundle(Path(folder))
    with np.load(given) as arrays:
        # Without a table's values, the signals are measured.
        table = arrays["features"] if "features" in arrays.files else None
        features: Features = "compute" if table is None else table
        lengths = arrays["lengths"] if "lengths" in arrays.files else None
        age, sex = arrays["age"], arrays["sex"]
        said = bundle.predict(arrays["signals"], features, age, sex, lengths)
    np.save(target, said)


def shut_in() -> None:
    """Limits memory and time, and leaves the network where the system allows it."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        # Root may leave it at once; others in a user namespace of their own, where there are any.
        if libc.unshare(NEW_NETWORK) != 0:
            libc.unshare(NEW_USER | NEW_NETWORK)


if __name__ == "__main__":
    main(*sys.argv[1:])
