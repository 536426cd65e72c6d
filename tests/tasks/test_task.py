"""Names of classes where MLflow and file systems take fewer letters.

Covers: heart_reader.tasks.task.
"""

from heart_reader.tasks.task import by_key


def test_keys_are_those_that_mlflow_takes() -> None:
    found = by_key("auc", ("PRC(S)", "LAFB/LPFB", "AFIB"), (0.5, 0.75, float("nan")))
    assert found == {"auc_PRC_S_": 0.5, "auc_LAFB_LPFB": 0.75}
