"""What somebody adds who has never seen the code, in as many places as the architecture says.

Covers: heart_reader.edge.formats.base.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heart_reader.bundle.kinds import open_bundle
from heart_reader.config.load import read_config
from heart_reader.data.dataset import FeaturesConfig, load_development
from heart_reader.data.ptbxl import SUPERCLASSES
from heart_reader.edge.device.reader import open_device
from heart_reader.edge.formats.base import Example, Format, Made, Part
from heart_reader.edge.formats.onnx_runtime import OnnxRuntime
from heart_reader.edge.formats.table import FORMATS
from heart_reader.edge.stages import Exporter
from heart_reader.errors import ConfigError
from registry.settings import load_settings
from tests.conftest import REPOSITORY
from tests.training.tiny import TINY, tiny_bundle, tiny_config, tiny_prepared

# ---------------------------------------------------------------- an edge format
# ONNX Runtime's own, for phones: one function, one description, and a line in the table.


def make_ort(source):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(source.file(".ort"))
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(source.onnx, options, providers=["CPUExecutionProvider"])
    yield Made("ORT fp32", source.file(".ort"), "fp32", "as it lies in memory")


ORT = Format(
    name="ORT",
    library="onnxruntime",
    packages=("onnxruntime",),
    any_number=True,
    load=OnnxRuntime,
    example=Example(
        "import onnxruntime",
        """session = onnxruntime.InferenceSession(model)
shapes = {item.name: [1, *item.shape[1:]] for item in session.get_inputs()}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
(probabilities,) = session.run(None, feed | {"signal": signal})""",
    ),
    parts=(Part("ORT", "ort", make_ort),),
)


@pytest.fixture
def with_ort(monkeypatch):
    monkeypatch.setitem(FORMATS, ".ort", ORT)


def edge_settings(**options: str):
    return load_settings({"measure.n_runs": "2", "web": "never", **options})[0].edge


def test_a_new_edge_format_is_one_line(with_ort, cache, tmp_path):
    prepared = tiny_prepared(cache)
    records, config, chosen = prepared.records, tiny_config(), edge_settings(stages="ort")
    source = tiny_bundle(prepared)
    exporter = Exporter(source, records, config, chosen, tmp_path, lambda _: None)
    *_, onnx, ort = exporter.run()
    assert (ort.name, ort.path.name, ort.notes) == (
        "ORT fp32", "heart_reader.ort", "as it lies in memory",
    )  # fmt: skip
    assert ort.on_device
    np.testing.assert_allclose(ort.y_score, onnx.y_score, atol=1e-6)
    folder = exporter.write_device_folder({"name": "m", "version": "1"})
    described = json.loads((folder / "labels.json").read_text())["files"]["heart_reader.ort"]
    assert described["layout"] == "(n, 12, 1000)"
    assert "ORT files take any number" in (folder / "README.md").read_text()
    signal = records.millivolts(exporter.rows[:1])
    np.savetxt(tmp_path / "ecg.csv", signal[0].T, delimiter=",")
    said = example(folder, tmp_path / "ecg.csv")
    (expected,) = open_device(folder / "heart_reader.ort").predict(signal, None)
    assert len(said) == len(SUPERCLASSES)
    np.testing.assert_allclose(said, expected, atol=1e-3)


def example(folder: Path, ecg: Path) -> list[float]:
    """Probabilities as the folder's own example prints them."""
    command = [sys.executable, "example.py", "heart_reader.ort", str(ecg)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    return [float(line.split()[1]) for line in done.stdout.splitlines()]


def test_whoever_asks_for_a_format_is_told_which_there_are(with_ort):
    assert edge_settings().wanted == ("prune", "finetune", "quantize", "tflite", "ort", "c_kit")
    with pytest.raises(ConfigError, match="unknown stage 'otr', did you mean 'ort'"):
        edge_settings(stages="prune,otr")


# ---------------------------------------------------------------- a backbone
# In a copy of the package: a file, a line (and its import), a section. Nothing else is touched.

NEWNET = '''
from dataclasses import dataclass

from torch import Tensor, nn

from heart_reader.models.blocks import Backbone, conv_norm
from heart_reader.models.rules import not_positive


@dataclass(frozen=True)
class NewNetConfig:
    """One convolution."""

    width: int

    def problems(self) -> list[str]:
        return not_positive(self)


class NewNet(Backbone):
    def __init__(self, config: NewNetConfig, n_leads: int) -> None:
        super().__init__()
        self.out_channels = config.width
        self.layers = conv_norm(n_leads, config.width, 7, 2, activation=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
'''
USED = """
import json, sys
from pathlib import Path
import numpy as np
from heart_reader.bundle.kinds import open_bundle
from heart_reader.bundle.single import load_bundle, save_bundle
from heart_reader.config.load import load_config, read_config
from heart_reader.data.dataset import load_development
from heart_reader.errors import ConfigError
from heart_reader.fitting import make_bundle, make_trainer, prepare
from heart_reader.tracking.models import registered_name
from registry.client import backbone_names
from tuning.search_space import load_space

options, cache, folder, pretrained, old = json.loads(sys.argv[1]), *map(Path, sys.argv[2:])
config = load_config("default", options)
prepared = prepare(load_development(config.data, config.task, config.features, cache))
bundle, scored = make_bundle(prepared, config, make_trainer(prepared, config).fit([]), {})
save_bundle(bundle, folder)
signal = prepared.records.millivolts(scored.rows[:2]).astype(np.float32)
again = load_bundle(folder).predict(signal, None)
refused = []
for wrong in ({"backbone": "newnte"}, {"model.newnet.width": "0"}):
    try:
        load_config("default", wrong)
    except ConfigError as error:
        refused.append(str(error))
load_space("default", config)
print(json.dumps({
    "width": config.model.architecture.shape.width,
    "lost": float(np.abs(again - bundle.predict(signal, None)).max()),
    "refused": refused,
    "registered": registered_name("newnet") in backbone_names(None),
    "before": open_bundle(pretrained).predict(signal, None).tolist(),
    "old": read_config(old).model.backbone,
}))
"""
SECTION = "  newnet:\n    width: 8                # channels\n"
LINE = '    "newnet": BackboneKind("newnet", NewNetConfig, NewNet),\n'


def with_newnet(root: Path) -> None:
    """The packages with the new backbone, in a folder of their own."""
    for name in ("heart_reader", "registry", "tuning"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("*.pyc"))
    models, defaults = root / "heart_reader" / "models", root / "heart_reader" / "config"
    (models / "newnet.py").write_text(NEWNET)
    table = (models / "backbones.py").read_text()
    begin = "from heart_reader.models.se_resnet1d"
    table = table.replace(
        begin, f"from heart_reader.models.newnet import NewNet, NewNetConfig\n{begin}"
    )
    last = '    "se_resnet1d": BackboneKind('
    assert begin in table and last in table
    (models / "backbones.py").write_text(table.replace(last, LINE + last))
    text = (defaults / "default.yaml").read_text()
    assert "\n  fusion:\n" in text
    text = text.replace("\n  fusion:\n", f"\n{SECTION}  fusion:\n")
    (defaults / "default.yaml").write_text(text)


def changed(root: Path) -> list[str]:
    """Files that differ from the checkout's."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix in (".py", ".yaml")
        for ours in [REPOSITORY / path.relative_to(root)]
        if not ours.exists() or ours.read_bytes() != path.read_bytes()
    )


def test_a_new_backbone_is_a_file_a_line_and_a_section(cache, demo_root, tmp_path):
    with_newnet(tmp_path)
    assert changed(tmp_path) == [
        "heart_reader/config/default.yaml",
        "heart_reader/models/backbones.py",
        "heart_reader/models/newnet.py",
    ]
    pretrained = REPOSITORY / "pretrained" / "se_resnet1d"
    options = {key: value for key, value in TINY.items() if "se_resnet1d" not in key}
    options |= {"backbone": "newnet", "data": str(demo_root), "training.epochs": 1}
    old = REPOSITORY / "tests" / "bundle" / "format1" / "config.yaml"
    command = [sys.executable, "-c", USED, json.dumps(options)]
    command += [str(path) for path in (cache, tmp_path / "bundle", pretrained, old)]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["width"] == 8 and said["lost"] < 1e-6 and said["registered"]
    unknown, narrow = said["refused"]
    assert "unknown backbone 'newnte', did you mean 'newnet'?" in unknown
    assert narrow == "config key model.newnet.width must be at least 1, but is 0"
    # What was made before doesn't notice.
    config = tiny_config(data=str(demo_root))
    records = load_development(config.data, config.task, FeaturesConfig("none"), cache)
    signal = records.millivolts(records.rows((9,))[:2]).astype(np.float32)
    expected = open_bundle(pretrained).predict(signal, None)
    np.testing.assert_allclose(said["before"], expected, atol=1e-6)
    assert said["old"] == read_config(old).model.backbone
