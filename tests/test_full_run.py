"""The full run trains on a machine that has the core's own packages and no other."""

import json
import os
import subprocess
import sys

import numpy as np

from heart_reader.bundle.evidence import load_evidence
from heart_reader.bundle.scoring import score
from heart_reader.bundle.single import load_bundle
from heart_reader.config.load import load_config
from heart_reader.data.dataset import load_development
from tests.conftest import REPOSITORY
from tests.test_core_alone import WITHOUT
from tests.training.tiny import TINY

RUN = (
    WITHOUT
    + """
import runpy
sys.argv = ["full_run", *sys.argv[1:]]
try:
    runpy.run_module("benchmarks.full_run", run_name="__main__")
except SystemExit as end:
    assert not BLOCKED & {name.split(".")[0] for name in sys.modules}
    raise
"""
)


def test_it_writes_a_bundle_that_brings_its_evidence(demo_root, cache, tmp_path):
    shape = {k: v for k, v in TINY.items() if not k.startswith(("backbone", "training.epochs"))}
    dotted = [word for key, value in shape.items() for word in (f"--{key}", json.dumps(value))]
    command = [sys.executable, "-c", RUN, "--data", str(demo_root), "--folder", str(tmp_path)]
    command += ["--config", "default", "--backbone", "se_resnet1d", "--epochs", "2"]
    command += ["--limit", "18"]
    words = [word.strip('"') for word in dotted]
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "HEART_READER_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
    }
    run = subprocess.run([*command, *words], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    bundle, evidence = (
        load_bundle(tmp_path / "se_resnet1d"),
        load_evidence(tmp_path / "se_resnet1d"),
    )
    made = bundle.provenance
    assert made["data"]["root"] == "PTBXL" and made["data"]["records_per_fold"] == 18
    assert "-P training.epochs=2" in made["command"]
    (row,) = [line for line in run.stdout.splitlines() if "% " in line]
    name, epochs, epoch_seconds, rate, share, _, auc, *_ = row.split()
    assert (name, epochs, auc) == ("se_resnet1d", "2", f"{made['validation']['macro_auc']:.4f}")
    assert float(epoch_seconds) > 0 and float(rate.replace(",", "")) > 0
    assert 0 < float(share.rstrip("%")) < 100
    config = load_config("default", {"data": str(demo_root), "data.records_per_fold": 18})
    records = load_development(config.data, config.task, config.features, cache)
    scored = score(bundle, records, (9,))
    assert evidence.digest == records.digest
    np.testing.assert_array_equal(evidence.ecg_id, scored.ecg_id)
    np.testing.assert_allclose(evidence.y_score, scored.y_score, atol=1e-5)
