"""The tracking store as something that may be away: its errors, its outages, and patience."""

import functools
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import ParamSpec, TypeVar

import mlflow
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from heart_reader.errors import ConfigError, TrackingError
from heart_reader.files import sqlite_file
from heart_reader.interrupt import SECONDS_FOR_CLEAN_UP

P = ParamSpec("P")
R = TypeVar("R")
STORE_ERRORS = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError)
SECONDS_OF_PATIENCE = "HEART_READER_PATIENCE"  # environment variable
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two tries
# Whoever needs the store tries again himself, and knows what may be asked twice: MLflow's client
# would make a run a second time where the answer to the first request was lost.
HTTP_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
AWAY_CODES = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
AWAY_STATUSES = {408, 429}
# A server whose database was killed in the middle of a transaction answers 400 with the driver's
# words, and a download of several files has its errors in the text alone. Where two runs log the
# same data for the first time at once, MLflow refuses one of them: it looks, and then writes.
AWAY_WORDS = re.compile(
    r"\((psycopg2?|pymysql)\.(errors\.)?(OperationalError|InterfaceError|DatabaseError|AdminShutdown"
    r"|CrashShutdown|CannotConnectNow)\)|QueuePool limit|invalid transaction is rolled back"
    r"|Max retries exceeded with url|Connection aborted|Read timed out|database is locked"
    r"|unique constraint \"dataset_pk\"|UNIQUE constraint failed: datasets\."
    r"|ChunkedEncodingError|\b5\d\d Server Error"
)


class StoreAwayError(TrackingError):
    """The store can't be reached, or can't answer now; the same request may work later."""


def is_outage(error: BaseException) -> bool:
    """Whether trying again may help: no connection, a timeout, 5xx or 429; never another 4xx."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        return status >= 500 or status in AWAY_STATUSES
    if isinstance(error, requests.RequestException):
        return not isinstance(error, ValueError)  # such as an illegal address
    if isinstance(error, MlflowException):
        inner = error.__cause__ or error.__context__
        if isinstance(inner, requests.RequestException):
            return is_outage(inner)
        return error.error_code in AWAY_CODES or AWAY_WORDS.search(str(error)) is not None
    return isinstance(error, ConnectionError | TimeoutError)


class RefusedError(TrackingError):
    """Whoever is logged in may not do that: no role of theirs, and not the owner."""


def is_refusal(error: BaseException) -> bool:
    """Whether the server knows the user, and says no."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code == 403
    return isinstance(error, MlflowException) and error.error_code == "PERMISSION_DENIED"


@contextmanager
def store_errors() -> Iterator[None]:
    """A tracking store that can't do what was asked becomes one clear line.

    Raises:
        StoreAwayError: it may work later.
        RefusedError: it won't, for this user.
        TrackingError: it won't.
    """
    try:
        yield
    except STORE_ERRORS as error:
        if is_refusal(error):
            said = f"{who()} may not do that: {_reason(error)}"
            raise RefusedError(f"tracking store {shown_uri()}: {said}") from error
        kind = StoreAwayError if is_outage(error) else TrackingError
        raise kind(
            f"tracking store {shown_uri()}: {_reason(error)} (is MLFLOW_TRACKING_URI right, "
            "and can you write there?)"
        ) from error


def _reason(error: BaseException) -> str:
    """One line; of a failed connection the end, which says why, without address and path."""
    inner = error.__cause__ or error.__context__ if isinstance(error, MlflowException) else error
    if isinstance(inner, requests.RequestException) and inner.args:
        reason = str(getattr(inner.args[0], "reason", inner)).strip()
        return reason.splitlines()[0].rpartition(": ")[2] if reason else repr(inner)
    text = str(error).strip()
    return text.splitlines()[0] if text else repr(error)


def shown_uri() -> str:
    """The store's address without its password."""
    return re.sub(r"//([^:/@]*):[^@/]*@", r"//\1:***@", mlflow.get_tracking_uri())


def who() -> str:
    """The user who is logged in, as far as the environment tells."""
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    return f"user {name!r}" if name else "who isn't logged in"


# ---------------------------------------------------------------- patience


class Patience:
    """How long whoever needs an answer waits for the store.

    Whoever waited in vain once doesn't wait again: a run that ends without its store tries a dozen
    things, and each would take as long.
    """

    def __init__(self) -> None:
        self._hurried = False
        self._gave_up = False

    @property
    def seconds(self) -> float:
        """``$HEART_READER_PATIENCE``, ten minutes; seconds while a signal ends the process."""
        if self._gave_up:
            return 0.0
        given = _seconds(os.environ.get(SECONDS_OF_PATIENCE, "600"))
        return min(given, SECONDS_FOR_CLEAN_UP / 2) if self._hurried else given

    def give_up(self) -> None:
        """Nobody waits any more, until something works again."""
        self._gave_up = True

    def renew(self) -> None:
        """Something worked."""
        self._gave_up = False

    @contextmanager
    def hurried(self, hurried: bool) -> Iterator[None]:
        """Seconds instead of minutes, while inside."""
        before, self._hurried = self._hurried, hurried or self._hurried
        try:
            yield
        finally:
            self._hurried = before


def _seconds(word: str) -> float:
    try:
        return float(word)
    except ValueError as error:
        raise ConfigError(f"{SECONDS_OF_PATIENCE} must be seconds, but is {word!r}") from error


PATIENCE = Patience()


def waits_for_store(method: Callable[P, R]) -> Callable[P, R]:
    """The same function, tried again while the store is away; it must bear being called twice.

    Raises:
        TrackingError: the store was away for too long, or said no.
    """

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        started, pause = time.monotonic(), SHORTEST_PAUSE
        while True:
            try:
                with store_errors():
                    result = method(*args, **kwargs)
            except StoreAwayError as error:
                left = started + PATIENCE.seconds - time.monotonic()
                if left <= 0:
                    PATIENCE.give_up()
                    raise TrackingError(str(error)) from error
                if pause == 2 * SHORTEST_PAUSE:  # once failed is no outage
                    print(f"waiting for the store, {left:.0f} s at most: {error}", file=sys.stderr)
                time.sleep(min(pause, left))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                PATIENCE.renew()
                return result

    return call


# ---------------------------------------------------------------- before the first request


def limit_retries() -> None:
    """MLflow's client would try again for minutes, and a training would stand still."""
    for name, value in HTTP_SETTINGS.items():
        os.environ.setdefault(name, value)


def require_writable(uri: str) -> None:
    """Asks SQLite itself: MLflow would try again for 100 s before it says that it can't write."""
    path = sqlite_file(uri)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another run may hold the lock for a moment.
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")


def require_present(uri: str) -> None:
    """MLflow would make an SQLite file that isn't there, and say that it holds nothing.

    Raises:
        TrackingError: it isn't there.
    """
    path = sqlite_file(uri)
    if path is not None and not path.is_file():
        raise TrackingError(
            f"there is no tracking store at {path.absolute()}: is MLFLOW_TRACKING_URI right, or "
            "this folder?"
        )


def require_reachable(uri: str) -> None:
    """Asks a server once, so that a wrong address is said at once."""
    if uri.startswith(("http://", "https://")):
        requests.get(f"{uri.rstrip('/')}/health", timeout=30)
