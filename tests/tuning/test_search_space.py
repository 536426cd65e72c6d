import math
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from heart_reader.config.load import Config, load_config
from heart_reader.config.strict import flatten, to_dict
from heart_reader.errors import ConfigError
from heart_reader.models import BACKBONES, build_model
from tuning.search_space import load_space, starting_point, suggest

SPACES = ("default", "demo")


def config(backbone: str = "se_resnet1d", **changes: object) -> Config:
    return load_config("default", {"backbone": backbone, **changes})


def write(folder: Path, text: str) -> str:
    path = folder / "space.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", SPACES)
def test_every_trial_is_a_legal_configuration_and_a_model(name: str, backbone: str):
    base = config(backbone)
    space = load_space(name, base)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    before = flatten(to_dict(base))
    for _ in range(3):
        trial = study.ask()
        found = suggest(trial, base, space)
        build_model(found.model.architecture, 0, 5, 12)
        after = flatten(to_dict(found))
        changed = {key for key in after if after[key] != before[key]}
        assert changed <= space.keys
        for key, value in trial.params.items():
            assert after[key] == (yaml.safe_load(value) if isinstance(value, str) else value)


def test_the_same_values_give_the_same_configuration():
    base = config()
    space = load_space("demo", base)
    start = starting_point(base, space)
    assert start is not None
    assert suggest(FixedTrial(start), base, space) == base
    again = suggest(FixedTrial({**start, "training.loss": "bce"}), base, space)
    assert again.training.loss == "bce"
    assert again == suggest(FixedTrial({**start, "training.loss": "bce"}), base, space)


def test_what_depends_on_another_key_is_drawn_with_it_alone():
    base = config()
    space = load_space("default", base)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [study.ask() for _ in range(20)]
    for trial in drawn:
        suggest(trial, base, space)
    assert {t.params["training.loss"] for t in drawn} == {"focal", "bce"}
    for trial in drawn:
        focal = trial.params["training.loss"] == "focal"
        assert ("training.focal_gamma" in trial.params) is focal


def test_the_kinds_follow_the_types_of_the_configuration(tmp_path: Path):
    path = write(
        tmp_path,
        """
common:
  training.learning_rate: {low: 1e-3, high: 1e-1, log: true}
  training.focal_gamma: {low: 0, high: 2}
backbones:
  se_resnet1d:
    model.se_resnet1d.width: {low: 16, high: 64, step: 16}
    model.se_resnet1d.kernel_sizes: {choices: [[5, 3], [7, 5]]}
""",
    )
    found = {p.key: p.distribution for p in load_space(path, config()).parameters}
    assert found == {
        "training.learning_rate": FloatDistribution(1e-3, 1e-1, log=True),
        "training.focal_gamma": FloatDistribution(0.0, 2.0),
        "model.se_resnet1d.width": IntDistribution(16, 64, step=16),
        "model.se_resnet1d.kernel_sizes": CategoricalDistribution(["[5, 3]", "[7, 5]"]),
    }
    assert set(load_space(path, config("inception1d")).keys) == {
        "training.learning_rate",
        "training.focal_gamma",
    }


def test_a_configuration_outside_the_space_is_no_starting_point():
    base = config(**{"training.learning_rate": 0.5})
    assert starting_point(base, load_space("demo", base)) is None
    inside = starting_point(config(), load_space("demo", config()))
    assert inside is not None and math.isclose(inside["training.learning_rate"], 0.01)


BAD = {
    "training.learning_rat: {low: 1, high: 2}": "unknown parameter 'training.learning_rat', "
    "did you mean 'training.learning_rate'?",
    "training.batch_size: {low: 1, hihg: 2}": "unknown word 'hihg', did you mean 'high'?",
    "training.batch_size: {low: 0, high: 2}": "training.batch_size must be at least 1, but is 0",
    "training.batch_size: 64": "must be like {low: 1, high: 2}, but is 64",
    "training.loss: {low: 0, high: 1}": "only numbers have a low and a high, give choices",
    "training.loss: {choices: [mse]}": "must be one of 'focal', 'bce', but is 'mse'",
    "training.weight_decay: {low: 2, high: 1}": "is no range or choice",
    "training.epochs: {low: 1, high: 9}": "'training.epochs' can't be searched",
    "data.root: {choices: [a, b]}": "'data.root' can't be searched",
    "training.weight_decay: {low: 0, high: 1, when: {seed: 1}}": "depends on 'seed'",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_space_is_told_with_the_nearest_legal_name(tmp_path: Path, line: str):
    path = write(tmp_path, f"common:\n  {line}\n")
    with pytest.raises(ConfigError) as caught:
        load_space(path, config())
    (message,) = str(caught.value).splitlines()
    assert message.startswith(f"search space {path}: ") and BAD[line] in message


def test_all_problems_of_a_space_come_together(tmp_path: Path):
    path = write(
        tmp_path, "comon: {}\ncommon: {a: {low: 1, high: 2}}\nbackbones: {se_resnet: {}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_space(path, config())
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "did you mean 'common'" in lines[0] and "did you mean 'se_resnet1d'" in lines[1]


def test_an_unknown_space_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match="unknown search space 'dmo', did you mean 'demo'"):
        load_space("dmo", config())
