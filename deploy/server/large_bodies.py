"""A large body is read from users alone; MLflow by itself reads it, and then asks who sends it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse

SMALL = 1 << 20  # bytes
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class LargeBodies:
    """An ASGI application before another one.

    Args:
        app: the other one.
        knows: who sends a request, by its login; ``None`` for somebody who isn't a user.
    """

    def __init__(self, app: App, knows: Callable[[Request], object | None]) -> None:
        self.app, self.knows = app, knows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401 itself, or leaves the request to the other application."""
        if scope["type"] == "http" and size_of(scope) > SMALL:
            request = Request(scope)
            if await run_in_threadpool(self.knows, request) is None:
                headers = {"WWW-Authenticate": 'Basic realm="mlflow"', "Connection": "close"}
                answer = PlainTextResponse("a body of this size takes a login", 401, headers)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


def size_of(scope: Scope) -> float:
    """Bytes of a request's body, as it says itself; infinite where it doesn't."""
    headers = {key.lower(): value for key, value in scope["headers"]}
    if b"transfer-encoding" in headers:
        return float("inf")
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() and len(length) < 16 else float("inf")
