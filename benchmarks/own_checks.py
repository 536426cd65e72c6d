"""What the story of one's own records holds against each other: server, registry, two syncs.

python -m benchmarks.own_checks [--model models:/NAME@ALIAS --file ECG]
"""

import argparse
import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import requests

from benchmarks.servers.answering import answering, free_port, url
from heart_reader.predict import main as predict
from heart_reader.reading.models.found import find_bundle
from heart_reader.tasks.task import default_task
from registry.client import Registry, kind_of, pinned, task_of

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
    with served(model) as address:
        body = {"inputs": {"file": [base64.b64encode(file.read_bytes()).decode()]}}
        said = requests.post(address, json=body, timeout=60)
        said.raise_for_status()
        (answer,) = said.json()["predictions"]
    (expected,) = predicted(model, file)
    mine = np.array([answer[name] for name in bundle.task.classes])
    theirs = np.array([expected[name] for name in bundle.task.classes])
    print(f"{model}: largest difference from predict {np.abs(mine - theirs).max():.1e}")
    if not np.allclose(mine, theirs, atol=AS_PREDICT):
        raise SystemExit(f"{model}: served {mine}, predicted {theirs}")


@contextmanager
def served(model: str) -> Iterator[str]:
    """Where MLflow's server of a model is asked."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model,
               "--env-manager", "local", "-p", str(port)]  # fmt: skip
    process = subprocess.Popen(command, stdout=sys.stdout, stderr=sys.stderr)
    with answering(process, port):
        yield url(port)


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
