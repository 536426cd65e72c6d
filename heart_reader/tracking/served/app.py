"""The web application of a bundle: MLflow's own scoring server around it.

What it takes and answers is what ``mlflow models serve`` does, since it is the same code; but ours
is the bundle's reader, so that versions of before log too, and no code of a version is run.
"""

import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel, scoring_server

from heart_reader.data.demo.marks import is_synthetic
from heart_reader.predictions.columns import SHADOW
from heart_reader.reading.logged import within
from heart_reader.tracking.models import signature
from heart_reader.tracking.pyfunc import HeartReaderModel

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
PATH = "/invocations"
HEADER = "x-heart-reader-request"  # of which request a shadow's is the same
NUMBER = re.compile(r"[0-9a-f]{32}")


class _Reader:
    """The bundle as MLflow calls it.

    Args:
        folder: of the bundle.
        role: in which it answers.
    """

    def __init__(self, folder: Path, role: str) -> None:
        self.model = HeartReaderModel()
        self.model.read_bundle(folder, role)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """As of `HeartReaderModel`, which needs no context for it."""
        answer = HeartReaderModel.predict
        return answer(self.model, None, data, params)  # type: ignore[arg-type]


def make_app(folder: Path, role: str) -> App:
    """Of a bundle's folder.

    Raises:
        ModelError: no bundle is there, or it can't be read.
        ConfigError: the environment names a place for the log that is none.
    """
    reader = _Reader(folder, role)
    bundle = reader.model.bundle
    about = Model(signature=signature(bundle.task, is_synthetic(bundle.provenance)))
    served: App = scoring_server.init(PyFuncModel(about, reader))
    return _told(served) if role == SHADOW else served


def _told(app: App) -> App:
    """What a shadow logs says which request it was: the one of its server's header."""

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        number = _header(scope, HEADER)
        with within(number if NUMBER.fullmatch(number) else ""):
            await app(scope, receive, send)

    return call


def with_copies(app: App, offer: Callable[[str, str, bytes], None]) -> App:
    """The same; each request that is answered well is offered to somebody else afterwards.

    Args:
        app: of `make_app`.
        offer: takes a request's number, kind of content and body; it returns at once.
    """

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await app(scope, receive, send)
            return
        number, parts, codes = uuid.uuid4().hex, [], []

        async def received() -> Message:
            message = await receive()
            parts.append(message.get("body", b""))
            return message

        async def sent(message: Message) -> None:
            codes.append(message.get("status"))
            await send(message)

        with within(number):
            await app(scope, received, sent)
        if 200 in codes:
            offer(number, _header(scope, "content-type"), b"".join(parts))

    return call


def _header(scope: Message, name: str) -> str:
    found = [value for key, value in scope.get("headers", ()) if key == name.encode()]
    return str(found[-1].decode("latin-1")) if found else ""
