"""The models survive being written as ONNX at opset 13; what else the edge does: tests/edge.

Covers: heart_reader.models.blocks.
"""

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from tests.models.configs import published

BACKBONES = ["inception1d", "xresnet1d101", "se_resnet1d"]


def trained_like(backbone, n_features):
    """A model whose running statistics and residual branches are not those of a fresh one."""
    torch.manual_seed(0)
    model = published(backbone, n_features)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.5)
    model(torch.randn(4, 12, 250), torch.randn(4, n_features))
    return model.eval()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_onnx_opset_13_gives_the_same_logits(backbone, tmp_path):
    model, path = trained_like(backbone, 6), tmp_path / "model.onnx"
    inputs = (torch.randn(3, 12, 250), torch.randn(3, 6), torch.tensor([True, False, True]))
    names = ["signal", "features", "present"]
    torch.onnx.export(
        model,
        inputs,
        path,
        dynamo=False,
        opset_version=13,
        input_names=names,
        dynamic_axes={name: {0: "batch"} for name in names},
    )
    assert onnx.load(path).opset_import[0].version == 13
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n_records in (3, 1):
        some = [x[:n_records] for x in inputs]
        feed = {name: x.numpy() for name, x in zip(names, some, strict=True)}
        (found,) = session.run(None, feed)
        with torch.no_grad():
            expected = model(*some)
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)
