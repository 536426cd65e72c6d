"""What the story of one's own records holds against each other: server, registry, two syncs.

python -m benchmarks.own_checks [--model models:/NAME@ALIAS --file ECG]
"""

import argparse
import base64
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from heart_reader.predict import main as predict
from heart_reader.reading.models.found import find_bundle
from heart_reader.tasks.task import default_task
from registry.client import Registry, kind_of, pinned, task_of

WAIT = 180.0  # seconds until a server answers
AS_PREDICT = 1e-5  # of a probability: other batches, other threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="served, and asked about a file")
    parser.add_argument("--file", type=Path, help="that is an ECG by itself")
    options = parser.parse_args()
    if options.model and options.file:
        serve_and_ask(options.model, options.file)
    nothing_mixed_up()


def serve_and_ask(model: str, file: Path) -> None:
    """`mlflow models serve` answers a file's bytes as `predict` answers the file.

    Raises:
        SystemExit: it doesn't.
    """
    bundle, _ = find_bundle(model)
    with served(model) as url:
        body = {"inputs": {"file": [base64.b64encode(file.read_bytes()).decode()]}}
        (answer,) = posted(f"{url}/invocations", body)["predictions"]
    (said,) = predicted(model, file)
    mine = np.array([answer[name] for name in bundle.task.classes])
    theirs = np.array([said[name] for name in bundle.task.classes])
    print(f"{model}: largest difference from predict {np.abs(mine - theirs).max():.1e}")
    if not np.allclose(mine, theirs, atol=AS_PREDICT):
        raise SystemExit(f"{model}: served {mine}, predicted {theirs}")


@contextmanager
def served(model: str) -> Iterator[str]:
    """The address of a model server that answers, stopped afterwards."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model,
               "--env-manager", "local", "-p", str(port)]  # fmt: skip
    process = subprocess.Popen(command, stdout=sys.stdout, stderr=sys.stderr)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/ping", process)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Until it answers.

    Raises:
        SystemExit: the process ended, or it took too long.
    """
    deadline = time.monotonic() + WAIT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"{url} doesn't answer")


def posted(url: str, body: object) -> dict[str, list[dict[str, float]]]:
    """The answer to a request in JSON."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, list[dict[str, float]]] = json.load(answer)
    return found


def predicted(model: str, file: Path) -> list[dict[str, float]]:
    """The probabilities that `predict` gives of a file's records."""
    command = [sys.executable, "-m", predict.__module__, "--model", model, "--json", str(file)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return [each["probabilities"] for each in json.loads(said)["records"]]


# ---------------------------------------------------------------- the registry


def nothing_mixed_up() -> None:
    """Every version answers the task of its name; members, sources and thresholds are of it.

    Raises:
        SystemExit: something isn't; all of it is named.
    """
    registry, problems = Registry(), []
    for name in registry.names():
        for version in registry.client.search_model_versions(f"name = '{name}'"):
            tags = dict(version.tags)
            wanted = task_of(name) or default_task().name
            said = {tags.get("task", wanted)}
            if kind_of(name) != "edge":  # a device's files aren't a bundle
                said.add(find_bundle(f"models:/{name}/{version.version}")[0].task.name)
            made_of = [*tags.get("members", "").split(","), tags.get("source", "")]
            sources = [word.partition("/")[0] for word in made_of if word]
            said |= {task_of(each) or default_task().name for each in sources}
            shown = f"{name}/{version.version} answers {', '.join(sorted(said))}"
            print(f"{shown}{'; made of ' + ', '.join(filter(None, made_of)) if sources else ''}")
            problems += [shown] if said != {wanted} else []
    if problems:
        raise SystemExit("; ".join(problems))


def standing() -> dict[str, str]:
    """Every alias of every model of ours: ``name@alias`` -> pinned version."""
    registry = Registry()
    found = {}
    for name in registry.names():
        model = registry.model(name)
        for alias, version in sorted(model.aliases.items()) if model else ():
            found[f"{name}@{alias}"] = pinned(registry.version(name, str(version)))
    return found


def two_at_once(commands: Sequence[Sequence[str]]) -> None:
    """Processes side by side, all of which must go well.

    Raises:
        SystemExit: one didn't.
    """
    started = [
        subprocess.Popen(command, stdout=sys.stdout, stderr=sys.stderr) for command in commands
    ]
    codes = [process.wait() for process in started]
    if any(codes):
        raise SystemExit(f"exit codes {codes}")


if __name__ == "__main__":
    main()
