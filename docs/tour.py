"""The README's way from a clone to an answer, in an empty folder, with what it said and how long.

python docs/tour.py --folder /tmp/tour          # a clone of this checkout's last commit
python docs/tour.py --folder /tmp/tour --again  # on with the steps that aren't done

It writes ``tour.json`` into the folder; `docs/screenshots.py` draws it. It takes half an hour on
two cores, and needs what the README's first paragraph says.
"""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import wait_for

REPOSITORY = Path(__file__).resolve().parents[1]
RUN = "mlflow run . -e {} --env-manager local"
STEPS: dict[str, tuple[str, ...]] = {
    "clone": ("git clone {repository} heart-reader", "make env"),
    "read": (
        "heart-reader predict --model pretrained/ensemble --plot sheets examples/normal "
        "examples/lvh_strain",
    ),
    "train": ("make train",),
    "compare": (f"{RUN.format('compare')} -P alias=candidate",),
    "promote": (
        f"{RUN.format('promote')} -P model=all",
        RUN.format("ensemble"),
        f"{RUN.format('promote')} -P model=heart-reader-ensemble",
    ),
    "sync": (RUN.format("sync"),),
    "serve": (
        "curl -s -H 'Content-Type: application/json' -d @examples/request.json "
        "http://127.0.0.1:{port}/invocations",
    ),
}
SERVE = (
    "MLFLOW_TRACKING_URI=sqlite:///mlflow.db mlflow models serve -m "
    "models:/heart-reader-ensemble@champion --env-manager local -p {port}"
)
PORT = 5010
SECONDS = 300  # that a server may take to answer


def main() -> None:
    """Reads the options, and takes the steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--again", action="store_true", help="keep the steps that are done")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args()
    folder, kept = options.folder.absolute(), options.folder / "tour.json"
    if not options.again and folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} isn't empty: name another folder, or say --again")
    folder.mkdir(parents=True, exist_ok=True)
    done = json.loads(kept.read_text()) if kept.exists() else {}
    for step, commands in STEPS.items():
        if step not in done:
            done[step] = [told(command, folder, options.port) for command in commands]
            kept.write_text(json.dumps(done, indent=1))


def told(command: str, folder: Path, port: int) -> dict[str, object]:
    """Runs a command as somebody with a bare shell does.

    Raises:
        SystemExit: it failed.
    """
    command = command.format(repository=REPOSITORY, port=port)
    place = folder if command.startswith("git clone") else folder / "heart-reader"
    activate = ". .venv/bin/activate && " if (place / ".venv").exists() else ""
    kept = ("PATH", "HOME", "LANG", "OMP_NUM_THREADS", "PIP_EXTRA_INDEX_URL")
    bare = {key: os.environ[key] for key in kept if key in os.environ}
    bare |= {"HEART_READER_CACHE": str(folder / "cache"), "COLUMNS": "110"}
    with served(place, bare, port, activate, command.startswith("curl")):
        print(command, flush=True)
        began = time.monotonic()
        ended = subprocess.run(
            ["bash", "-c", activate + command], cwd=place, env=bare, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        seconds = time.monotonic() - began
    print(f"  {seconds:.0f} s", flush=True)
    if ended.returncode:
        raise SystemExit(f"{command}\n{ended.stdout}\nexit code {ended.returncode}")
    return {"command": command, "seconds": round(seconds, 1), "said": ended.stdout}


@contextmanager
def served(
    place: Path, environment: dict[str, str], port: int, activate: str, wanted: bool
) -> Iterator[None]:
    """The ensemble's server, as in another terminal, where it is wanted."""
    if not wanted:
        yield
        return
    words = ["bash", "-c", activate + SERVE.format(port=port)]
    with (place / "server.log").open("w") as log:
        server = subprocess.Popen(
            words, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", SECONDS)
        yield
    finally:
        os.killpg(server.pid, 15)
        server.wait()


if __name__ == "__main__":
    main()
