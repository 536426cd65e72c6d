"""A small ASGI service: MLflow's registry webhooks wake ``sync``.

python -m registry.sync.webhook            # registers itself with the MLflow server, then watches

What an event says is never used: whatever arrives, the registry itself is looked at. A lost event
costs the wait for the next look, no more.
"""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import mlflow
import uvicorn
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_SIGNATURE_VERSION,
    WEBHOOK_TIMESTAMP_HEADER,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError
from heart_reader.files import cache_folder, natural
from heart_reader.tracking import runs as tracking
from heart_reader.tracking.delivery.outage import StoreAwayError, store_errors
from registry.client import Registry
from registry.commands import DEFAULTS
from registry.settings import WebhookConfig
from registry.sync.syncer import Syncer, read_request

T = TypeVar("T")
NAME = "heart-reader-sync"
WATCH = "watch"  # the thread that looks
PAUSE = 1.0  # seconds between two tries to reach the server
PATH = "/registry"
EVENTS = (
    WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED),
    WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED),
    WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.DELETED),
)
SECRET_VARIABLE = "HEART_READER_WEBHOOK_SECRET"


def main(words: Sequence[str]) -> None:
    """Registers the webhook, then serves and watches until a signal comes."""
    request = read_request(dotted_options(words))
    settings = request.settings.webhook
    uri = mlflow.get_tracking_uri()
    if not uri.startswith(("http://", "https://")):
        raise ConfigError(
            f"webhooks come from an MLflow server: MLFLOW_TRACKING_URI must be its http address, "
            f"but is {uri!r}"
        )
    when_it_answers(tracking.set_up_tracking)
    secret = find_secret(cache_folder())
    url = own_address(settings) + PATH
    when_it_answers(lambda: register(url, secret))
    print(f"{uri} tells {url} of aliases and versions", flush=True)
    serve(settings, Verifier(secret, settings.max_age), Syncer(Registry(), request))


def when_it_answers(work: Callable[[], T]) -> T:
    """Does what needs the server; who started before it waits for it.

    Raises:
        TrackingError: it answers, and refuses.
    """
    said = False
    while True:
        try:
            return work()
        except StoreAwayError as error:
            if not said:
                print(f"waits for the server: {error}", file=sys.stderr, flush=True)
                said = True
            time.sleep(PAUSE)


def own_address(config: WebhookConfig) -> str:
    """What MLflow's server reaches us by: in containers a name, not where we listen."""
    if config.address != "auto":
        return config.address.rstrip("/")
    return f"http://{config.host}:{config.port}"


def find_secret(cache: Path) -> str:
    """The one of the environment, or one that is made once and kept in the cache.

    It must outlive a restart: MLflow's server signs with what it has read for up to a minute.
    """
    given = os.environ.get(SECRET_VARIABLE)
    if given:
        return given
    path = cache / "webhook-secret"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
    return path.read_text().strip()


@store_errors()
def register(url: str, secret: str) -> None:
    """One webhook of our name in the server, with this address and secret."""
    client = MlflowClient()
    for known in client.list_webhooks():
        if known.name == NAME:
            client.update_webhook(
                known.webhook_id, url=url, events=[*EVENTS], secret=secret, status="ACTIVE"
            )
            return
    client.create_webhook(NAME, url, [*EVENTS], "wakes the sync of heart-reader", secret)


# ---------------------------------------------------------------- what is believed


class Verifier:
    """Signatures, ages and replays of deliveries.

    The signature is HMAC-SHA256 over ``DELIVERY_ID.TIMESTAMP.BODY``, as in Standard Webhooks
    (https://www.standardwebhooks.com).
    """

    def __init__(self, secret: str, max_age: float) -> None:
        self.secret = secret.encode()
        self.max_age = max_age
        self._seen: dict[str, float] = {}  # delivery -> its timestamp
        self._lock = threading.Lock()

    def problem(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """Why a delivery isn't believed, or ``None``; a believed one is remembered."""
        delivery = headers.get(WEBHOOK_DELIVERY_ID_HEADER, "")
        stamp = headers.get(WEBHOOK_TIMESTAMP_HEADER, "")
        signature = headers.get(WEBHOOK_SIGNATURE_HEADER, "")
        signed = f"{delivery}.{stamp}.".encode() + body
        digest = hmac.new(self.secret, signed, hashlib.sha256).digest()
        expected = f"{WEBHOOK_SIGNATURE_VERSION},{base64.b64encode(digest).decode()}"
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return "wrong signature"
        # Signed, so these are MLflow's own words.
        now = time.time()
        if not stamp.isdigit() or abs(now - int(stamp)) > self.max_age:
            return f"timestamp {stamp!r} isn't within {self.max_age:g} s of now"
        with self._lock:
            self._seen = {d: t for d, t in self._seen.items() if now - t <= 2 * self.max_age}
            if delivery in self._seen:
                return "delivered before"
            self._seen[delivery] = int(stamp)
        return None


# ---------------------------------------------------------------- the service


def make_app(config: WebhookConfig, verifier: Verifier, syncer: Syncer) -> Starlette:
    """POST to ``PATH`` wakes the syncer; it watches in a thread for as long as the app lives."""

    async def receive(request: Request) -> Response:
        body = await read_bounded(request, config.max_body)
        if body is None:
            return PlainTextResponse(f"body over {config.max_body} bytes\n", 413)
        problem = verifier.problem(request.headers, body)
        if problem is not None:
            print(f"refused a delivery: {problem}", file=sys.stderr, flush=True)
            return PlainTextResponse(f"{problem}\n", 409 if problem == "delivered before" else 401)
        print(f"woken at {time.time():.3f}", flush=True)
        syncer.wake.set()
        return Response(status_code=202)

    async def health(_: Request) -> Response:
        age = time.monotonic() - syncer.looked
        alive = any(thread.name == WATCH and thread.is_alive() for thread in threading.enumerate())
        text = f"{'ok' if alive else 'the watch has ended'}, looked {age:.0f} s ago\n"
        return PlainTextResponse(text, 200 if alive else 503)

    @contextlib.asynccontextmanager
    async def watching(_: Starlette) -> AsyncIterator[None]:
        thread = threading.Thread(target=syncer.watch, name=WATCH)
        thread.start()
        try:
            yield
        finally:
            syncer.stop.set()
            syncer.wake.set()
            thread.join()

    routes = [Route(PATH, receive, methods=["POST"]), Route("/health", health)]
    return Starlette(routes=routes, lifespan=watching)


async def read_bounded(request: Request, max_body: int) -> bytes | None:
    """The body, or ``None`` as soon as it is known to be larger."""
    length = natural(request.headers.get("content-length", "0"))
    if length is None or length > max_body:
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_body:
            return None
    return body


def serve(config: WebhookConfig, verifier: Verifier, syncer: Syncer) -> None:
    """Runs the app until SIGINT or SIGTERM."""
    app = make_app(config, verifier, syncer)
    settings = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        log_level="warning",
        timeout_keep_alive=5,
        limit_concurrency=32,
    )
    uvicorn.Server(settings).run()


if __name__ == "__main__":
    raise SystemExit(run_entry(main, DEFAULTS))
