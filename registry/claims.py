"""Claims: who works at what, as tags in the registry that expire.

A registry has no lock, but its store keeps writes in one order. Whoever wants a claim first writes
its own tag, then reads all tags of that work; if another live one is there, it takes its own back.
Of two at once, the one that writes last always sees the other, so never do both go on. Both may
step back; each then tries again after a random while.
"""

import os
import random
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run as RunEntity
from mlflow.exceptions import MlflowException

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.outage import store_errors
from registry.client import Registry

TAG = "claim/"  # claim/WORK/TOKEN: EXPIRY HOST PID
RUN_TAG = "claim"  # of the runs that work under a claim: its token
TRIES, LONGEST_PAUSE = 6, 0.5  # seconds
LONGEST_SECONDS = 86_400.0  # that a claim may live: no tag keeps others out for ever


@dataclass(frozen=True)
class Claim:
    """A claim on some work of a registered model; ``expires`` in seconds since 1970."""

    model: str
    work: str
    token: str
    expires: float
    owner: str

    @property
    def key(self) -> str:
        """Its tag on the registered model."""
        return f"{TAG}{self.work}/{self.token}"

    @property
    def live(self) -> bool:
        """Whether its owner renewed it lately; the clocks of machines must agree to seconds."""
        return self.expires > time.time()


@store_errors()
def claims(registry: Registry, model: str) -> list[Claim]:
    """Every claim on a registered model, live or not."""
    found = registry.model(model)
    tags = {} if found is None else found.tags
    return [_parse(model, key, value) for key, value in tags.items() if key.startswith(TAG)]


def _parse(model: str, key: str, value: str) -> Claim:
    work, _, token = key.removeprefix(TAG).rpartition("/")
    first, _, owner = value.partition(" ")
    try:
        expires = float(first)
    except ValueError:
        expires = 0.0
    if not expires <= time.time() + LONGEST_SECONDS:  # NaN as well
        expires = 0.0  # written by somebody else's hand: as good as expired
    return Claim(model, work, token, expires, owner)


def acquire(registry: Registry, model: str, work: str, seconds: float) -> Claim | None:
    """A claim that nobody else has, or ``None``; what dead owners left is cleared away."""
    _require_model(registry, model)
    for attempt in range(TRIES):
        if attempt:
            time.sleep(random.uniform(0.05, LONGEST_PAUSE))
        mine = _write(registry, model, work, secrets.token_hex(8), seconds)
        others = [c for c in claims(registry, model) if c.work == work and c.key != mine.key]
        if not any(other.live for other in others):
            clear(registry, others)
            return mine
        release(registry, mine)
        # Somebody who has held it for a while will go on; only a draw is worth another try.
        if any(other.live and other.expires < time.time() + seconds - 2 for other in others):
            return None
    return None


def _write(registry: Registry, model: str, work: str, token: str, seconds: float) -> Claim:
    owner = f"{socket.gethostname()} {os.getpid()}"
    claim = Claim(model, work, token, time.time() + seconds, owner)
    with store_errors():
        value = f"{claim.expires:.3f} {owner}"
        registry.client.set_registered_model_tag(model, claim.key, value)
    return claim


@store_errors()
def release(registry: Registry, claim: Claim) -> None:
    """Takes a claim back."""
    with suppress(MlflowException):  # already gone
        registry.client.delete_registered_model_tag(claim.model, claim.key)


@store_errors()
def _require_model(registry: Registry, model: str) -> None:
    if registry.model(model) is not None:
        return
    try:
        registry.client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


# ---------------------------------------------------------------- what dead owners left


def sweep(registry: Registry, models: Sequence[str]) -> None:
    """Clears every claim that has expired."""
    for model in models:
        clear(registry, [claim for claim in claims(registry, model) if not claim.live])


def clear(registry: Registry, dead: Sequence[Claim]) -> None:
    """Closes the runs that expired claims left RUNNING, then removes the claims."""
    for claim in dead:
        for run in _running(registry.client, claim.token):
            print(
                f"closing run {run.info.run_id}: {claim.owner} died at {claim.work}",
                file=sys.stderr,
            )
            with store_errors():
                registry.client.set_tag(
                    run.info.run_id, "error", f"its process ({claim.owner}) died: claim expired"
                )
                registry.client.set_terminated(run.info.run_id, "KILLED")
        release(registry, claim)


@store_errors()
def _running(client: MlflowClient, token: str) -> list[RunEntity]:
    experiments = [each.experiment_id for each in client.search_experiments()]
    wanted = f"tags.`{RUN_TAG}` = '{token}' and attributes.status = 'RUNNING'"
    return list(client.search_runs(experiments, wanted))


# ---------------------------------------------------------------- while it works


@contextmanager
def renewed(registry: Registry, claim: Claim, seconds: float) -> Iterator[None]:
    """Renews a claim in a thread while inside, and releases it.

    If it is lost (the machine slept, the store was away for long), this process gets SIGTERM:
    somebody else may have taken the work over.
    """
    done = threading.Event()

    def renew() -> None:
        expires = claim.expires
        while not done.wait(seconds / 4):
            try:
                found = registry.model(claim.model)
                if found is None or claim.key not in found.tags:
                    expires = 0.0
                else:
                    expires = _write(
                        registry, claim.model, claim.work, claim.token, seconds
                    ).expires
            except TrackingError as error:
                print(f"claim on {claim.work} not renewed: {error}", file=sys.stderr)
            if time.time() > expires:
                print(f"lost the claim on {claim.work}", file=sys.stderr)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        release(registry, claim)
