"""What a user may not do: said before the work begins, or left behind where it isn't needed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.outage import RefusedError, store_errors, waits_for_store, who
from heart_reader.tracking.versions import CHAMPION

# Written and dropped again: who may do that may make versions and move aliases; the UI hides it.
PROBE = "mlflow.heart_reader.probe"
WHAT = (
    "Reads 12-lead ECGs. The alias `champion` stands for the version in use, `candidate` for the "
    "newest, `previous` for the champion before. A version's page says how it was made and judged."
)
NO_VERSION = "2000000000"  # of no model: an alias for it is refused, or can't be set
_said: set[str] = set()  # what was left behind is said once


@contextmanager
def left_behind(what: str) -> Iterator[None]:
    """Goes on where a clean-up is refused: on a server only owners and admins delete.

    Args:
        what: stays where it is then.
    """
    try:
        with store_errors():
            yield
    except RefusedError:
        if what not in _said:
            print(f"{what} stay: {who()} may not delete them", file=sys.stderr, flush=True)
            _said.add(what)


def require_editable(model: str) -> None:
    """Asks, before hours of work, whether a model's versions may be made, tagged, given aliases.

    One that isn't there passes: see `require_registered_model`. A local store has no users.

    Raises:
        TrackingError: they may not.
    """
    _require(
        _probe, model, "register or promote versions",
        "that takes the role of a member, or its owner's permission",
    )  # fmt: skip


def require_registered_model(model: str, task: str | None) -> None:
    """Asks likewise, and makes the registered model where it isn't there.

    On our platform the default task's are there; promoters and admins make others.

    Args:
        model: the registered name.
        task: whose it is, for who has to ask somebody.

    Raises:
        TrackingError: they may not.
    """
    require_editable(model)
    if not _has_users():
        return
    try:
        make_model(model)
    except RefusedError as error:
        raise TrackingError(
            f"{who()} may not make the registered model {model!r}: a promoter or an admin makes "
            f"those of a task, by heart-reader models --task {task or 'default'}"
        ) from error


@waits_for_store
def make_model(name: str) -> bool:
    """Makes a registered model without versions; whether it wasn't there."""
    client = MlflowClient()
    with _absence_passes():
        client.get_registered_model(name)
        return False
    try:
        client.create_registered_model(name, description=WHAT)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # since a moment ago
            raise
        return False
    return True


def require_promoter(model: str) -> None:
    """Asks likewise whether a champion may be named: on our platform by promoters and admins.

    Raises:
        TrackingError: they may not.
    """
    _require(_probe_alias, model, "say which version is champion", "that takes a promoter's role")


def _require(probe: Callable[[str], None], model: str, what: str, takes: str) -> None:
    if not _has_users():
        return
    try:
        probe(model)
    except RefusedError as error:
        raise TrackingError(f"{who()} may not {what} of {model!r}: {takes}") from error


def _has_users() -> bool:
    return mlflow.get_tracking_uri().startswith(("http://", "https://"))


@waits_for_store
def _probe(model: str) -> None:
    client = MlflowClient()
    with _absence_passes():
        client.set_registered_model_tag(model, PROBE, "1")
        client.delete_registered_model_tag(model, PROBE)


@waits_for_store
def _probe_alias(model: str) -> None:
    with _absence_passes():  # no version has that number
        MlflowClient().set_registered_model_alias(model, CHAMPION, NO_VERSION)


@contextmanager
def _absence_passes() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
