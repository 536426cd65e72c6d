"""Costs against other counters, and predictors against each other."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from heart_reader.bundle.ensemble import EnsembleBundle
from heart_reader.bundle.single import save_bundle
from heart_reader.edge.eager import EagerModel, count_macs, count_parameters
from heart_reader.edge.measure import file_bytes, inputs_of, latencies, peak_memory, predict_all
from heart_reader.edge.sample import Sample
from heart_reader.errors import ModelError
from tests.conftest import REPOSITORY
from tests.edge.bundles import BACKBONES, N_FEATURES, fresh_bundle, some_features, some_signals


def sample(n_records, n_features=N_FEATURES):
    values = some_features(n_records, n_features)
    known = np.isfinite(values)
    return Sample(some_signals(n_records), np.where(known, values, 0), known.astype(np.float32))


def ensemble():
    members = fresh_bundle("se_resnet1d"), fresh_bundle("xresnet1d18")
    weights = np.array([[0.25] * 5, [0.75] * 5])
    return EnsembleBundle(members, ("a", "b"), weights, np.full(5, 0.5), {})


@pytest.mark.parametrize("backbone", BACKBONES)
def test_macs_are_half_of_pytorchs_flops(backbone):
    bundle = fresh_bundle(backbone)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        bundle.model(torch.zeros(1, 12, 1000), torch.zeros(1, 2 * N_FEATURES))
    assert count_macs(bundle, True) == counter.get_total_flops() / 2


def test_the_signal_alone_costs_no_feature_branch():
    bundle = fresh_bundle("se_resnet1d")
    branch = 2 * N_FEATURES * 32 + 32 * 16
    assert count_macs(bundle, True) - count_macs(bundle, False) == branch


def test_an_ensemble_costs_what_its_members_cost():
    both = ensemble()
    assert count_macs(both, True) == sum(count_macs(one, True) for one in both.members)
    assert count_parameters(both) == sum(map(count_parameters, both.members))


@pytest.mark.parametrize("make", [lambda: fresh_bundle("inception1d"), ensemble])
def test_the_eager_model_says_what_the_bundle_says(make):
    bundle, some = make(), sample(3)
    features = np.where(some.mask > 0, some.features, np.nan)
    found = predict_all(EagerModel(bundle), some)
    np.testing.assert_allclose(found, bundle.predict(some.signal, features), atol=1e-6)
    bare = Sample(some.signal, some.features[:, :0], some.mask[:, :0])
    found = predict_all(EagerModel(bundle), bare)
    np.testing.assert_allclose(found, bundle.predict(some.signal, None), atol=1e-6)


class Slow:
    """A predictor of known duration."""

    n_features = 0

    def __init__(self, seconds):
        self.seconds, self.seen = seconds, []

    def probabilities(self, signal, features, mask):
        import time

        self.seen.append(float(signal[0, 0, 0]))
        time.sleep(self.seconds)
        return np.zeros((len(signal), 5), np.float32)


def test_latencies_are_of_one_record_each_and_of_all_in_turn():
    fast, slow, some = Slow(0.001), Slow(0.005), sample(3, 0)
    seconds = latencies({"fast": fast, "slow": slow}, some, 17)
    assert seconds["fast"].shape == seconds["slow"].shape == (17,)
    assert (seconds["slow"] >= 0.005).all() and (seconds["fast"] >= 0.001).all()
    assert np.median(seconds["fast"]) < np.median(seconds["slow"])
    # Two turns, of 10 and of 7, with two predictions before each that don't count.
    expected = [*range(-2, 10), *range(8, 17)]
    assert fast.seen == slow.seen == [float(some.signal[k % 3, 0, 0]) for k in expected]


def test_a_model_that_reads_no_features_gets_none():
    signal, features, mask = inputs_of(Slow(0), sample(3), slice(1, 3))
    assert signal.shape == (2, 12, 1000) and features is None and mask is None


def test_memory_holds_the_weights_and_no_library(tmp_path):
    bundle = fresh_bundle("se_resnet1d")
    save_bundle(bundle, tmp_path / "bundle")
    weights = 4e-6 * count_parameters(bundle)  # MB
    assert weights < peak_memory(tmp_path / "bundle") < 100
    files = [path.stat().st_size for path in (tmp_path / "bundle").iterdir()]
    assert file_bytes(tmp_path / "bundle") == sum(files)


def test_memory_of_what_cannot_be_loaded_is_one_line(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"model\.onnx can't be measured: error: .*as ONNX"):
        peak_memory(tmp_path / "model.onnx")


# A board has numpy, pandas and an interpreter.
BOARD = """
import runpy, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "tensorflow", "onnx", "mlflow", "scipy", "sklearn"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Without())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_board_measures_a_device_folder_without_pytorch(fused_onnx, tmp_path):
    shutil.copy(fused_onnx, tmp_path / "heart_reader.onnx")
    script = REPOSITORY / "benchmarks" / "edge.py"
    command = [sys.executable, "-c", BOARD, str(script), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    last = found.stdout.splitlines()[-1].split()
    assert last[0] == "heart_reader.onnx" and last[2] == last[5] == "1.0"
    assert float(last[1]) == pytest.approx(fused_onnx.stat().st_size / 1e3, abs=0.5)
