"""What a server refuses a user: said in a line, or left behind and said once."""

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, PERMISSION_DENIED

from heart_reader.errors import TrackingError
from heart_reader.tracking import left_behind, require_editable
from heart_reader.tracking.delivery.outage import RefusedError, store_errors

SAID = "API request to endpoint failed with error code 403 != 200. Response body: 'Invalid Host'"


@pytest.fixture(autouse=True)
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")


def refuse() -> None:
    raise MlflowException(SAID, error_code=PERMISSION_DENIED)


def test_a_refusal_names_the_user_and_what_the_server_said():
    line = r"user 'ada' may not do that: .*'Invalid Host'"
    with pytest.raises(RefusedError, match=line), store_errors():
        refuse()


def test_a_clean_up_that_is_refused_is_said_once(capsys: pytest.CaptureFixture[str]):
    for _ in range(3):
        with left_behind("files of the test"):
            refuse()
    line = "files of the test stay: user 'ada' may not delete them\n"
    assert capsys.readouterr().err == line


def test_other_errors_of_a_clean_up_are_errors():
    with pytest.raises(TrackingError, match="broken"), left_behind("files of another test"):
        raise MlflowException("broken", error_code=INTERNAL_ERROR)


def test_a_local_store_has_nobody_to_ask(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    require_editable("heart-reader-se_resnet1d")
    assert not [*tmp_path.iterdir()]
