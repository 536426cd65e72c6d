"""Bundles of every format there was, and what a description may not say."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from heart_reader.bundle import Bundle, load_bundle, open_bundle
from heart_reader.bundle.formats import FORMAT, READERS
from heart_reader.config.load import load_config, read_config
from heart_reader.data.ptbxl import LEADS, N_TIMES, SAMPLING_RATE, SUPERCLASSES
from heart_reader.data.spec import SignalSpec, default_spec
from heart_reader.errors import ModelError
from heart_reader.models import fusion
from heart_reader.project import REPOSITORY
from heart_reader.tasks.task import default_task

OLD = Path(__file__).parent / "format1"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    """Two ECGs in mV without their means, and what format 1's own code said of them."""
    with np.load(OLD / "golden.npz") as arrays:
        found = dict(arrays)
    signal = found["micro"].transpose(0, 2, 1) / 1000
    return found | {"signal": (signal - signal.mean(axis=2, keepdims=True)).astype(np.float32)}


# ---------------------------------------------------------------- format 1, for ever


@pytest.mark.parametrize("name", ["ensemble", "pruned"])
def test_format_1_says_what_its_own_code_said(name, golden):
    bundle = open_bundle(OLD / name)
    said = bundle.predict(golden["signal"], golden["features"])
    np.testing.assert_allclose(said, golden[name], rtol=0, atol=2e-6)
    assert bundle.task == default_task() and bundle.spec == default_spec()
    assert bundle.task.classes == SUPERCLASSES
    assert bundle.spec == SignalSpec(LEADS, SAMPLING_RATE, N_TIMES)


def test_a_member_of_format_1_with_features_and_without(golden):
    member = open_bundle(OLD / "ensemble").members[0]
    for features, key in ((golden["features"], "single"), (None, "single_alone")):
        said = member.predict(golden["signal"], features)
        np.testing.assert_allclose(said, golden[key], rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["ensemble", "pruned"])
def test_format_1_written_again_is_format_2_and_says_the_same(name, golden, tmp_path):
    bundle = open_bundle(OLD / name)
    bundle.save(tmp_path / name)
    again = open_bundle(tmp_path / name)
    for path in tmp_path.rglob("*.json"):
        assert json.loads(path.read_text())["format"] == FORMAT
    before, after = (b.predict(golden["signal"], golden["features"]) for b in (bundle, again))
    np.testing.assert_array_equal(before, after)
    assert (again.task, again.spec, again.names) == (bundle.task, bundle.spec, bundle.names)
    assert again.provenance == bundle.provenance


@pytest.mark.parametrize("name", ["inception1d", "xresnet1d101", "se_resnet1d", "ensemble"])
def test_the_pretrained_bundles_are_of_format_1_and_open(name):
    folder = REPOSITORY / "pretrained" / name
    (file,) = (folder / each for each in READERS if (folder / each).exists())
    assert json.loads(file.read_text())["format"] == 1
    assert open_bundle(folder).kind == name


def test_the_config_of_a_run_of_before_is_read(capsys):
    """What is younger is taken as that run did it, where that is known: not a word is needed."""
    found = read_config(OLD / "config.yaml")
    assert (found.model.backbone, found.model.se_resnet1d.width) == ("se_resnet1d", 8)
    assert found.evaluation.thresholds == "youden"
    assert capsys.readouterr().err == ""


# ---------------------------------------------------------------- what is added later


def test_another_backbone_makes_no_bundle_unreadable(tmp_path, monkeypatch, golden):
    """A section that `ModelConfig` gets tomorrow, and a bundle that knows of none but its own."""
    folder = copied(tmp_path)
    assert set(tree_of(folder)["model"]) == {"backbone", "shape", "fusion"}
    import dataclasses

    later = dataclasses.make_dataclass(
        "ModelConfig", [("newnet", fusion.FusionConfig)], bases=(fusion.ModelConfig,), frozen=True
    )
    monkeypatch.setattr(fusion, "ModelConfig", later)
    for each in (folder, OLD / "ensemble"):
        open_bundle(each).predict(golden["signal"], None)


def test_another_task_and_signal_travel(tmp_path, bundle_of_two_leads):
    bundle_of_two_leads.save(tmp_path / "b")
    again = load_bundle(tmp_path / "b")
    assert again.task.classes == ("AF", "SB", "SR") and again.spec.leads == ("I", "II")
    signal = np.random.default_rng(0).normal(0, 0.2, (3, 2, 500))
    said = again.predict(signal, None)
    assert said.shape == (3, 3)
    np.testing.assert_array_equal(said, bundle_of_two_leads.predict(signal, None))


@pytest.fixture
def bundle_of_two_leads() -> Bundle:
    """Two leads, 2.5 s at 200 Hz, three classes."""
    from heart_reader.data.normaliser import Normaliser
    from heart_reader.models import build_model
    from heart_reader.tasks.task import Task
    from tests.training.tiny import TINY

    config = load_config("default", TINY).model.architecture
    task = Task("rhythms", ("AF", "SB", "SR"), ("a", "b", "c"), ("r", "r", "r"), "keep")
    normaliser = Normaliser((0.0, 0.0), (0.2, 0.2), (1,))
    model = build_model(config, 0, 3, 2).eval()
    spec = SignalSpec(("I", "II"), 200, 500)
    return Bundle(config, model, normaliser, None, np.full(3, 0.5), {}, task, spec)


# ---------------------------------------------------------------- values that no model has


def copied(tmp_path: Path) -> Path:
    """The first member, in today's format."""
    folder = tmp_path / "bundle"
    open_bundle(OLD / "ensemble").members[0].save(folder)
    return folder


def tree_of(folder: Path) -> dict:
    return json.loads((folder / "bundle.json").read_text())


def put(path: str, value: object) -> Callable[[dict], None]:
    """Sets what stands at ``a.b.0`` of a tree."""

    def change(tree: dict) -> None:
        *way, last = path.split(".")
        for key in way:
            tree = tree[key]
        tree[int(last) if isinstance(tree, list) else last] = value

    return change


WRONG = {
    "a huge width": (put("model.shape.width", 10**9), r"model.width is 1000000000, which"),
    "a huge head": (put("model.fusion.head_size", 10**12), r"model.head_size is 1000000000000"),
    "a thousand blocks": (
        put("model.shape.stage_depths", [1000]),
        r"model.stage_depths is \(1000",
    ),
    "no feature sizes": (put("model.fusion.feature_sizes", []), r"model.feature_sizes is \(\)"),
    "a width of none": (put("model.shape.width", 0), "width must be at least 1"),
    "another width": (put("model.shape.width", 4), "has the shape .*, the model's is"),
    "another backbone": (put("model.backbone", "newnet"), "unknown backbone 'newnet'"),
    "a backbone that is a list": (put("model.backbone", []), "is damaged"),
    "two classes": (put("task.classes", ["A", "B"]), "2 classes, but 5 titles"),
    "one class twice": (put("task.classes.1", "NORM"), "can't be told apart"),
    "a lead less": (put("signal.leads", list(LEADS[:11])), r"must have the shape \(11,\)"),
    "a lead twice": (put("signal.leads.1", "I"), "leads must be different names"),
    "no time": (put("signal.n_times", 0), "n_times must lie from 1"),
    "a threshold of 1e308": (put("thresholds.0", 1e308), "thresholds must lie from 0 to 1"),
    "a threshold less": (put("thresholds", [0.5] * 4), "5 thresholds are needed"),
    "a mean less": (put("normaliser.mean", [0.0] * 11), r"mean must have the shape \(12,\)"),
    "a std of 0": (put("normaliser.std.3", 0.0), "std must be above 0"),
    "a mean of 1e308": (put("normaliser.mean.3", 1e308), "mean must be numbers up to 1e.12"),
    "an encoder of 1e308": (put("encoder.median.0", 1e308), "median must be numbers up to"),
    "an encoder cut short": (put("encoder.low", [0.0]), "low must have the shape"),
    "a scale of 0": (put("encoder.scale.0", 0.0), "scale must be above 0"),
    "a name twice": (put("encoder.names.0", "sex"), "names must differ"),
    "a provenance of text": (put("provenance", "me"), "is damaged"),
    "a format of tomorrow": (put("format", 4), "has format 4, this code reads 1 and 2 and 3"),
    "a format that is a list": (put("format", [2]), r"has format \[2\]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_that_no_model_has_is_one_clear_error(name, tmp_path):
    folder = copied(tmp_path)
    change, message = WRONG[name]
    tree = tree_of(folder)
    change(tree)
    (folder / "bundle.json").write_text(json.dumps(tree))
    with pytest.raises(ModelError, match=message) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 900


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_json_that_holds_no_numbers(value, tmp_path):
    folder = copied(tmp_path)
    text = json.dumps(tree_of(folder) | {"thresholds": ["@"] * 5}).replace('"@"', value)
    (folder / "bundle.json").write_text(text)
    with pytest.raises(ModelError):
        load_bundle(folder)


def test_a_description_nested_too_deep(tmp_path):
    folder = copied(tmp_path)
    (folder / "bundle.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="can't be read"):
        load_bundle(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_weights_that_are_no_numbers(value, tmp_path):
    folder = copied(tmp_path)
    weights = load_file(folder / "weights.safetensors")
    weights["head.0.bias"][0] = value
    save_file(weights, folder / "weights.safetensors")
    with pytest.raises(ModelError, match=r"head\.0\.bias has values that are no numbers"):
        load_bundle(folder)


def test_pruned_layers_that_do_not_fit_each_other(tmp_path):
    shutil.copytree(OLD / "pruned", tmp_path / "b")
    weights = load_file(tmp_path / "b" / "weights.safetensors")
    weights["head.3.weight"] = weights["head.3.weight"][:, :3].copy()
    save_file(weights, tmp_path / "b" / "weights.safetensors")
    with pytest.raises(ModelError, match="don't fit"):
        load_bundle(tmp_path / "b")


@pytest.mark.parametrize("file", ["bundle.json", "weights.safetensors"])
def test_pipes_and_devices_are_no_files(file, tmp_path):
    """A pipe would hang, /dev/zero fill the memory."""
    folder = copied(tmp_path)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (folder / file).unlink()
        make(folder / file)
        with pytest.raises(ModelError, match="is no regular file"):
            load_bundle(folder)


def test_members_of_different_tasks_make_no_ensemble(bundle_of_two_leads):
    from heart_reader.bundle import EnsembleBundle

    one = open_bundle(OLD / "ensemble").members[0]
    with pytest.raises(ModelError, match="must answer the same task"):
        EnsembleBundle(
            (one, bundle_of_two_leads), ("a", "b"), np.full((2, 5), 0.5), np.full(5, 0.5), {}
        )
