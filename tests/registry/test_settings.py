"""Options of the follow-on runs: whose they are, and what is refused."""

import pytest

from heart_reader.config.load import load_config
from heart_reader.errors import ConfigError
from registry.settings import full_key, load_settings


def test_an_exports_options_go_by_their_own_names():
    options = {
        "finetune_epochs": "0",
        "prune.max_auc_drop": "0.005",
        "edge.prune.ratio": "0.25",
        "form": "signal",
        "stages": "prune,tflite",
        "gate.margin": "0.01",
        "data.root": "demo",
    }
    settings, left = load_settings(options)
    edge = settings.edge
    assert (edge.finetune.epochs, edge.prune.max_auc_drop, edge.prune.ratio) == (0, 0.005, 0.25)
    assert (edge.form, edge.stages, settings.gate.margin) == ("signal", ("prune", "tflite"), 0.01)
    assert left == {"data.root": "demo"}


def test_the_export_is_no_part_of_a_trainings_configuration():
    with pytest.raises(ConfigError, match="unknown config key 'edge'"):
        load_config("default", {"edge.prune.ratio": "0.3"})
    assert full_key("training.epochs") == "training.epochs"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stages", "prune,quantise", "unknown stage 'quantise', did you mean 'quantize'?"),
        ("prune.ratio", "1", "edge.prune.ratio must lie from 0 to below 1, but is 1.0"),
        ("prune.ratio.x", "1", "'ratio' is a value, not a section"),
        ("prune.max_auc_drop", "2", "max_auc_drop must lie from 0 to 1, but is 2.0"),
        ("finetune.distill", "-1", "distill must lie from 0 to 1, but is -1.0"),
        ("finetune.learning_rate_share", "0", "learning_rate_share must be above 0"),
        ("finetune_epochs", "-1", "epochs must be at least 0, but is -1"),
        ("quantize.n_calibrate", "0", "n_calibrate must be at least 1, but is 0"),
        ("measure.n_run", "3", "did you mean 'edge.measure.n_runs'?"),
    ],
)
def test_what_is_not_legal_is_refused(key, value, message):
    with pytest.raises(ConfigError) as refused:
        load_settings({key: value})
    assert message in str(refused.value)
