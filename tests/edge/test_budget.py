"""A network for a flash of a given size.

Covers: heart_reader.edge.budget.
"""

from pathlib import Path

import numpy as np
import pytest

from heart_reader.bundle.single import load_bundle
from heart_reader.edge.budget import STEPS, estimated_bytes, require_budget, smallest_ratio
from heart_reader.edge.config import bytes_of
from heart_reader.edge.eager import EagerModel
from heart_reader.edge.network.prune import pruned
from heart_reader.edge.stage import Stage
from heart_reader.errors import ConfigError, ModelError
from registry.settings import load_settings
from tests.conftest import REPOSITORY
from tests.edge.bundles import fresh_bundle


@pytest.fixture(scope="module")
def real():
    return load_bundle(REPOSITORY / "pretrained" / "se_resnet1d")


def test_no_more_is_pruned_than_must_be(real):
    said: list[str] = []
    ratio = smallest_ratio(real, "signal", 256_000, 8, said.append)
    assert 0 < ratio < 1 and len(said) <= 7 and said[0].endswith(" kB of 256")
    assert estimated_bytes(pruned(real, ratio, 8), "signal") <= 256_000
    assert estimated_bytes(pruned(real, ratio - 1 / STEPS, 8), "signal") > 256_000


def test_what_fits_stays_as_it_is_and_what_never_fits_is_refused(real):
    assert smallest_ratio(real, "signal", 10**6, 8, print) == 0
    with pytest.raises(ModelError, match=r"a network of 2 kB \(prune.budget\) can't be had"):
        smallest_ratio(real, "signal", 2000, 8, print)


# Of the INT8 TFLite files of the pretrained models in the form "signal", by this export.
@pytest.mark.parametrize(("name", "kilobytes"), [("se_resnet1d", 537)])
def test_the_estimate_is_near_a_real_file(name: str, kilobytes: float):
    bundle = load_bundle(REPOSITORY / "pretrained" / name)
    assert estimated_bytes(bundle, "signal") / 1000 == pytest.approx(kilobytes, rel=0.05)


def stage(path: Path, size: int) -> Stage:
    path.write_bytes(bytes(size))
    return Stage(
        "TFLite INT8", path, EagerModel(fresh_bundle("se_resnet1d")), 1, 1, np.zeros((1, 5)), ""
    )


def test_a_file_that_is_too_large_is_no_result(tmp_path: Path):
    made = [stage(tmp_path / "heart_reader.int8.tflite", 3000)]
    require_budget(made, "3kB")
    require_budget(made, "none")
    with pytest.raises(ModelError, match=r"int8.tflite has 3 kB, more than prune.budget=2.5kB"):
        require_budget(made, "2.5kB")


@pytest.mark.parametrize("text", ["", "0", "256 monkeys", "-1kB", "1e3", "kB", "1 2kB", "∞"])
def test_a_size_that_is_none_is_a_line(text: str):
    with pytest.raises(ConfigError, match=r"budget must be a size such as 256kB, but is"):
        load_settings({"budget": text})


def test_two_ways_to_choose_are_one_too_many():
    with pytest.raises(ConfigError, match="budget and max_auc_drop are two ways to choose"):
        load_settings({"budget": "64kB", "prune.max_auc_drop": "0.005"})
    assert bytes_of(load_settings({"budget": "64kB"})[0].edge.prune.budget) == 64_000
