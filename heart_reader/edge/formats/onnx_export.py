"""A device model as ONNX, opset 13."""

import os
import warnings
from pathlib import Path

import onnx
import torch
from torch.jit._trace import TracerWarning

from heart_reader.edge.contract import OUTPUT
from heart_reader.edge.network.device_model import DeviceModel
from heart_reader.errors import ModelError

OPSET = 13  # what phones and monitors in the field read


def export_onnx(model: DeviceModel, path: Path) -> None:
    """Writes the checked graph, shapes inferred, batch size free.

    Args:
        path: appears whole or not at all; its folder is there.

    Raises:
        ModelError: an operator that ONNX opset 13 doesn't know.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _export(model, temporary)
        exported = onnx.load(temporary)
        _drop_identities(exported.graph)
        graph = onnx.shape_inference.infer_shapes(exported, strict_mode=True)
        onnx.checker.check_model(graph, full_check=True)
        onnx.save(graph, temporary)
        os.replace(temporary, path)
    except (torch.onnx.errors.OnnxExporterError, onnx.checker.ValidationError) as error:
        why = " ".join(str(error).split())[:300]
        raise ModelError(f"the model can't be written as ONNX opset {OPSET}: {why}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _export(model: DeviceModel, path: Path) -> None:
    # A batch of 2, since 1 might be taken for a constant.
    signal = torch.zeros(2, *model.shape)
    features = torch.zeros(2, model.n_features)
    inputs = (signal, features, features)[: len(model.input_names)]
    names = [*model.input_names, OUTPUT]
    with warnings.catch_warnings(), torch.no_grad():
        # The other exporter writes opset 18 whatever it is asked for.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Whether a length is odd is fixed in the graph, as the length is.
        warnings.simplefilter("ignore", TracerWarning)
        torch.onnx.export(
            model,
            inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(model.input_names),
            output_names=[OUTPUT],
            dynamic_axes={name: {0: "batch"} for name in names},
        )


def _drop_identities(graph: onnx.GraphProto) -> None:
    """Gives each user its own copy of weights that the exporter shares by way of identities.

    A quantizer scales the biases of each convolution differently, and takes a shared one away.
    """
    weights = {item.name: item for item in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        copy = onnx.TensorProto()
        copy.CopyFrom(weights[node.input[0]])
        copy.name = node.output[0]
        graph.initializer.append(copy)
        graph.node.remove(node)
