"""What a user asks of a configuration: which overlay, whose data."""

import pytest

from heart_reader.config.request import config_request
from heart_reader.errors import ConfigError

MADE_FROM = {"data": {"root": "/there", "min_likelihood": 50.0}}


@pytest.mark.parametrize(
    ("options", "overlay"),
    [
        ({}, "demo"),
        ({"data": "demo"}, "demo"),
        ({"data.root": "/here"}, "default"),
        ({"data": "/here", "config": "auto"}, "default"),
        ({"data": "/here", "config": "demo"}, "demo"),
        ({"data": "demo", "config": "recipe"}, "recipe"),
    ],
)
def test_auto_means_demo_for_demo_data(options, overlay):
    assert config_request(options).training_overlay == overlay


@pytest.mark.parametrize(
    ("options", "root", "named"),
    [
        ({}, "/there", False),
        ({"data": "auto"}, "/there", False),
        ({"data": "/here"}, "/here", True),
        ({"data.root": "demo"}, "demo", True),
    ],
)
def test_a_bundles_data_are_read_unless_others_are_named(options, root, named):
    request = config_request(options)
    config = request.for_bundle(MADE_FROM)
    assert (config.data.root, request.names_data) == (root, named)
    assert config.data.min_likelihood == 50.0


def test_a_changed_key_wins_over_the_bundles():
    request = config_request({"data.min_likelihood": "80", "training.epochs": "3"})
    config = request.for_bundle(MADE_FROM)
    assert (config.data.min_likelihood, config.training.epochs) == (80.0, 3)


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigError) as refused:
        config_request({"training.epohcs": "3", "data.min_likelihood": "200"}).check()
    assert "training.epohcs" in str(refused.value)
    assert "min_likelihood must lie from 0 to 100" in str(refused.value)


def test_a_task_has_the_name_that_the_registry_knows_it_by(tmp_path):
    described = tmp_path / "mine.yaml"
    described.write_text("name: hearts\nclasses: {AF: , SB: }\n")
    records = str(tmp_path / "my records.csv")
    for options, name in (
        ({}, "superdiagnostic"),
        ({"task": "rhythm"}, "rhythm"),
        ({"task": str(described)}, "hearts"),
        ({"data": records}, "my_records"),
        ({"data": records, "task": str(described)}, "hearts"),
    ):
        assert config_request(options).task == name
    (tmp_path / "task.yaml").write_text("name: lungs\nclasses: {AF: , SB: }\n")
    assert config_request({"data": records}).task == "lungs"
