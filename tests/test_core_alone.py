"""The core trains on a machine that has the core's own packages and no other."""

import json
import os
import subprocess
import sys

from tests.conftest import REPOSITORY
from tests.training.tiny import TINY

WITHOUT = '''
import json, sys
from pathlib import Path

BLOCKED = {"mlflow", "optuna", "wfdb", "tqdm", "rich", "pooch", "psutil", "captum"}

class Without:
    """A finder that has never heard of them, as where they aren't installed."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
'''

BARE = (
    WITHOUT
    + """
options, cache, folder = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])

import pkgutil
import heart_reader.data, heart_reader.evaluation, heart_reader.models, heart_reader.training
for package in ("data", "models", "training", "evaluation"):
    module = sys.modules[f"heart_reader.{package}"]
    for found in pkgutil.walk_packages(module.__path__, f"{module.__name__}."):
        __import__(found.name)
from heart_reader.bundle.single import load_bundle, save_bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import load_development
from heart_reader.evaluation import report
from heart_reader.fitting import make_bundle, make_trainer, prepare

config = load_config("default", options)
prepared = prepare(load_development(config.data, config.task, config.features, cache))
result = make_trainer(prepared, config).fit([])
bundle, scored = make_bundle(prepared, config, result, {})
save_bundle(bundle, folder)
again = load_bundle(folder).predict(prepared.records.millivolts(scored.rows[:2]), None)
auc = report.metrics_with_intervals(scored, config.evaluation)["macro_auc"]
assert not BLOCKED & {name.split(".")[0] for name in sys.modules}
print(json.dumps({"macro_auc": auc, "n": len(again), "n_epochs": len(result.history)}))
"""
)


def test_the_core_trains_and_saves_without_anything_but_the_core(demo_root, cache, tmp_path):
    options = TINY | {"training.epochs": 1, "data": str(demo_root)}
    command = [sys.executable, "-c", BARE, json.dumps(options), str(cache), str(tmp_path / "b")]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["n_epochs"] == 1 and found["n"] == 2
    assert 0 < found["macro_auc"] < 1
    assert (tmp_path / "b" / "weights.safetensors").stat().st_size > 1000
