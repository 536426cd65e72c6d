"""A registered version of before gets a calibrator, limits and thresholds, without data.

The pretrained models are of a time when there was none of it, and bring fold 9 along.
"""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from heart_reader.bundle.evidence import load_evidence
from heart_reader.evaluation.metrics import expected_calibration_error
from heart_reader.project import REPOSITORY
from registry.gate import promote
from registry.pretrained import import_bundle
from registry.trust import calibrate
from tests.registry.fleet import ENSEMBLE, SE, aliases, bundle_of, frame, version
from tests.tracking.processes import Store
from tests.tracking.trained import Call

pytest_plugins = ["tests.tracking.trained"]
QUICK = ("--evaluation.n_resamples", "20")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("calibrated"))


@pytest.mark.parametrize("name", [SE, ENSEMBLE])
def test_what_is_registered_says_so_and_goes_through_the_gate(name, call: Call, store: Store):
    kind = name.removeprefix("heart-reader-")
    folder = str(REPOSITORY / "pretrained" / kind)
    assert call(import_bundle.main, store, "--bundle", folder).code == 0
    before = version(store, name, "candidate")
    called = call(calibrate.main, store, "--model", f"{name}@candidate", *QUICK)
    assert called.code == 0, called.err
    made = version(store, name, "candidate")
    assert made.tags["calibrated_from"] == f"{name}/{before.version}"
    assert f"made from {name}/{before.version}" in called.out

    old, new = (bundle_of(store, f"models:/{name}/{v.version}") for v in (before, made))
    assert not old.trust.calibrated and new.trust.calibrated
    signal = np.random.default_rng(0).normal(0, 0.3, (2, 12, 1000)).astype(np.float32)
    raw = old.predict(signal)
    np.testing.assert_array_equal(new.predict(signal), new.trust.calibrator.apply(raw))

    y_true, own = frame(store, made.run_id, "predictions_fold9.parquet")
    _, then = frame(store, before.run_id, "predictions_fold9.parquet")
    np.testing.assert_array_equal(own, new.trust.calibrator.apply(then.to_numpy(np.float32)))
    for k in range(5):
        scores = (roc_auc_score(y_true.iloc[:, k], each.iloc[:, k]) for each in (own, then))
        assert next(scores) == pytest.approx(next(scores), abs=1e-7)
    # The same records are called positive.
    np.testing.assert_array_equal(own >= new.thresholds, then >= old.thresholds)

    honest = frame(store, made.run_id, "calibration_fold9.parquet")[1]
    metrics = store.client.get_run(made.run_id).data.metrics
    error = expected_calibration_error(y_true, honest, 10).mean()
    assert metrics["val/ece"] == pytest.approx(error, abs=1e-6)
    assert metrics["val/ece"] < metrics["val/ece_uncalibrated"]

    evidence = load_evidence(store.artifact(made.run_id, "evidence.safetensors").parent)
    np.testing.assert_allclose(
        evidence.probe_score, new.predict(evidence.probe_signals()), atol=2e-4
    )
    promoted = call(promote.main, store, "--model", f"{name}@candidate")
    assert promoted.code == 0, promoted.err + promoted.out
    assert aliases(store, name)["champion"] == int(made.version)
    gate = store.client.get_run(version(store, name, "champion").tags["gate_run"])
    assert gate.data.metrics["gate/ece"] == pytest.approx(error, abs=1e-6)


def test_twice_is_once_too_often(call: Call, store: Store):
    called = call(calibrate.main, store, "--model", f"{SE}@candidate")
    assert called.code == 1 and "is calibrated already" in called.err
