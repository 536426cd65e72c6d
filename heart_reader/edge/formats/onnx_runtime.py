"""An ONNX file, run by ONNX Runtime on one thread."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from heart_reader.edge.formats.runtime import Runtime, contract_of, one_line
from heart_reader.edge.sample import Array
from heart_reader.errors import ModelError


class OnnxRuntime(Runtime):
    """By ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        broken = (errors.InvalidProtobuf, errors.InvalidGraph, errors.Fail)
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except (*broken, errors.InvalidArgument, errors.NotImplemented, errors.NoModel) as error:
            raise ModelError(f"{path} can't be read as ONNX: {one_line(error)}") from error
        self.path = path
        self.n_features, self.shape, self.n_classes = contract_of(
            path,
            {item.name: item.shape for item in self._session.get_inputs()},
            [item.shape for item in self._session.get_outputs()],
        )

    def _run(self, feed: Mapping[str, Array]) -> Array:
        (found,) = self._session.run(None, dict(feed))
        return np.asarray(found, np.float32)
