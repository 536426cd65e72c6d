"""What a user may not do: said before the work begins, or left behind where it isn't needed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from heart_reader.errors import TrackingError
from heart_reader.tracking.delivery.outage import RefusedError, store_errors, waits_for_store, who

# Written and dropped again: who may do that may make versions and move aliases; the UI hides it.
PROBE = "mlflow.heart_reader.probe"
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

    A model that isn't there may be made by everybody; a local store has no users.

    Raises:
        TrackingError: they may not.
    """
    if not mlflow.get_tracking_uri().startswith(("http://", "https://")):
        return
    try:
        _probe(model)
    except RefusedError as error:
        raise TrackingError(
            f"{who()} may not register or promote versions of {model!r}: that takes the role of a "
            "member, or its owner's permission"
        ) from error


@waits_for_store
def _probe(model: str) -> None:
    client = MlflowClient()
    try:
        client.set_registered_model_tag(model, PROBE, "1")
        client.delete_registered_model_tag(model, PROBE)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
