"""The layers of the configuration, with the numbers that the recipe is published with.

Covers: heart_reader.models.rules, heart_reader.training.config, heart_reader.config.yaml_files.
"""

import dataclasses
import os
import typing
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml

from heart_reader.bundle.provenance import config_hash
from heart_reader.config.load import Config, load_config, read_config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.errors import ConfigError
from heart_reader.models import BACKBONES
from heart_reader.project import CONFIG_FOLDER
from heart_reader.trainings import text as describe


def problems_of(overlay: str, overrides: dict[str, object]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_config(overlay, overrides)
    return str(raised.value).splitlines()


def test_the_default_is_the_published_recipe():
    training = load_config("default", {}).training
    assert (training.loss, training.focal_alpha, training.focal_gamma) == ("focal", 0.25, 2.0)
    assert (training.learning_rate, training.weight_decay) == (0.01, 1e-4)
    assert (training.pct_start, training.batch_size, training.epochs) == (0.3, 128, 50)
    assert (training.grad_clip, training.patience) == (1.0, 10)
    assert load_config("default", {}).data.min_likelihood == 0
    assert load_config("default", {}).model.backbone in BACKBONES


def test_the_demo_changes_what_its_file_says_and_nothing_else():
    overlay = flatten(yaml.safe_load((CONFIG_FOLDER / "demo.yaml").read_text()))
    default, demo = (flatten(to_dict(load_config(name, {}))) for name in ("default", "demo"))
    assert {key for key in default if default[key] != demo[key]} == set(overlay)
    assert {key: demo[key] for key in overlay} == overlay


def test_no_type_has_a_default_of_its_own():
    """The YAML file is the one home of defaults."""
    queue: list[type] = [Config]
    while queue:
        kind = queue.pop()
        for field in dataclasses.fields(kind):
            assert field.default is field.default_factory is dataclasses.MISSING, field
        hints = typing.get_type_hints(kind).values()
        queue += [hint for hint in hints if dataclasses.is_dataclass(hint)]


def test_later_layers_win(tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("training: {epochs: 7, learning_rate: 3e-3}\nseed: 5\n")
    config = load_config(str(overlay), {"training.epochs": "9", "backbone": "xresnet1d18"})
    assert (config.seed, config.training.epochs, config.training.learning_rate) == (5, 9, 0.003)
    assert config.model.backbone == "xresnet1d18"
    assert config.training.batch_size == 128


def test_short_names_stand_for_their_keys():
    short = load_config("default", {"data": "/x", "features": "none", "backbone": "se_resnet1d"})
    long = {
        "data.root": "/x",
        "features.source": "none",
        "model.backbone": "se_resnet1d",
    }
    assert short == load_config("default", long)


def test_the_yaml_of_a_run_gives_its_config_back(tmp_path):
    config = load_config("demo", {"seed": 3, "data.records_per_fold": "40"})
    path = tmp_path / "config.yaml"
    path.write_text(describe.as_yaml(config))
    assert read_config(path) == load_config(str(path), {}) == config
    assert config_hash(read_config(path)) == config_hash(config)
    assert config_hash(load_config("demo", {})) != config_hash(config)


def test_all_problems_of_all_sections_come_together():
    wrong = {
        "training.epohcs": 3,
        "training.loss": "mse",
        "training.learning_rate": "-1",
        "augmentation.noise_p": 2,
        "data.records_per_fold": 0,
        "evaluation.n_bins": 0,
        "modle.backbone": "x",
    }
    found = problems_of("default", wrong)
    assert "unknown config key 'training.epohcs', did you mean 'training.epochs'?" in found
    assert "unknown config key 'modle', did you mean 'model'?" in found
    assert "config key 'training.loss' must be one of 'focal', 'bce', but is 'mse'" in found
    assert "config key augmentation.noise_p must lie from 0 to 1, but is 2.0" in found
    assert "config key data.records_per_fold must be at least 1, but is 0" in found
    assert any("n_bins must be at least 1, but is 0" in line for line in found)


def test_rules_of_a_section_come_together():
    wrong = {"epochs": 0, "patience": 0, "learning_rate": 0, "grad_clip": -1, "pct_start": 1.5}
    found = problems_of("default", {f"training.{key}": value for key, value in wrong.items()})
    assert found == [
        "config key training.epochs must be at least 1, but is 0",
        "config key training.patience must be at least 1, but is 0",
        "config key training.learning_rate must be above 0, but is 0.0",
        "config key training.grad_clip must be above 0, but is -1.0",
        "config key training.pct_start must lie from 0 to 1, but is 1.5",
    ]


@pytest.mark.parametrize(
    ("key", "legal", "illegal"),
    [
        ("augmentation.noise_p", (0, 1), (-0.01, 1.01)),
        ("augmentation.warp_strength", (0, 0.99), (-0.01, 1)),
        ("augmentation.noise_sd", (0,), (-0.01,)),
        ("training.feature_dropout", (0, 1), (-0.01, 1.01)),
        ("training.weight_decay", (0,), (-1e-9,)),
        ("data.min_likelihood", (0, 100), (-1, 101)),
        ("data.demo_records", (100,), (99,)),
    ],
)
def test_bounds_at_both_legal_edges_and_just_outside(key, legal, illegal):
    for value in legal:
        assert flatten(to_dict(load_config("default", {key: value})))[key] == value
    for value in illegal:
        assert key in problems_of("default", {key: value})[0]


def test_an_overlay_that_is_not_there_or_not_yaml(tmp_path):
    assert problems_of("defualt", {}) == [
        "unknown config 'defualt', did you mean 'default'? "
        "(there are default, demo, recipe, or give the path of a .yaml file)"
    ]
    path = tmp_path / "x.yaml"
    assert "can't be read: No such file" in problems_of(str(path), {})[0]
    path.write_text("a: [1")
    assert "is not YAML" in problems_of(str(path), {})[0]
    path.write_bytes(b"\xff\xfe\x00\x81")
    assert "is not YAML" in problems_of(str(path), {})[0]
    path.write_text("- 1")
    assert "must hold a mapping, but holds [1]" in problems_of(str(path), {})[0]
    path.write_text("training:\n")
    assert problems_of(str(path), {}) == ["config key 'training' is a section, but is None"]


def test_a_dotted_key_below_a_value():
    assert problems_of("default", {"seed.x": 1}) == [
        "config key 'seed.x': 'seed' is a value, not a section"
    ]


def test_keys_that_are_younger_than_a_run_get_todays_defaults_and_a_word(tmp_path, capsys):
    config = load_config("demo", {"seed": 3, "training.epochs": 7})
    tree = to_dict(config)
    del tree["training"]["patience"], tree["model"]["inception1d"], tree["evaluation"]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    found = read_config(path)
    today = load_config("default", {})
    assert found.training == replace(config.training, patience=today.training.patience)
    assert found.model.inception1d == today.model.inception1d
    assert (found.evaluation, found.seed) == (today.evaluation, 3)
    assert capsys.readouterr().err == (
        "config.yaml was written before there were model.inception1d, training.patience, "
        "evaluation: today's defaults are taken\n"
    )


def test_an_unknown_key_of_a_config_file_is_still_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(to_dict(load_config("default", {})) | {"sead": 1}))
    with pytest.raises(ConfigError, match="unknown config key 'sead', did you mean 'seed'"):
        read_config(path)


def test_a_run_from_before_there_were_rules_goes_on_by_youden(tmp_path):
    tree = to_dict(load_config("default", {}))
    del tree["evaluation"]["thresholds"]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    assert read_config(path).evaluation.thresholds == "youden"


def test_a_rule_of_thresholds_is_checked_with_the_rest():
    assert load_config("default", {"thresholds": "precision:0.8"}).evaluation.rule.target == 0.8
    found = problems_of("default", {"thresholds": "precison:0.8", "evaluation.n_bins": 0})
    assert len(found) == 2 and "did you mean 'precision'?" in found[1]


# ---------------------------------------------------------------- files that are no configuration

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALIASES = "".join(f"- &{now} [*{before}, *{before}]\n" for before, now in pairwise(LETTERS))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("a: " + "[" * 5000 + "]" * 5000, "is nested too deep"),
        ("a:\n  " + "- " * 5000 + "x", "is nested too deep"),
        ("seed:\n- &a [x, x]\n" + ALIASES, "too many values, by aliases of aliases"),
        ("seed: &a [*a]", "too many values"),
        ("seed: " + "9" * 5000, "is not YAML: Exceeds the limit"),
        ("seed: 2026-99-99", "is not YAML: month must be"),
        ("a: 1\n" * 60_000, "must have at most 262,144 bytes, but has 300,000"),
        ("a: [1", "is not YAML"),
        ("- a", "must hold a mapping"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_at_once(tmp_path, content, rule):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=rule):
        load_config(str(path), {})


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="is no regular file"):
        load_config(str(path), {})
