"""What a TFLite file says of itself, and that its answers don't change by it."""

import numpy as np
import pytest

from heart_reader.edge.formats.table import load_runtime
from heart_reader.edge.formats.tflite_metadata import metadata_of, with_metadata
from heart_reader.errors import ModelError

TOLD = {"classes": ["NORM", "MI"], "unit": "mV", "name": "Überlauf"}


@pytest.mark.parametrize("key", ["fp32", "int8"])
def test_answers_stay_bit_for_bit(tflite, raw, tmp_path, key):
    content = tflite[key].read_bytes()
    path = tmp_path / "told.tflite"
    path.write_bytes(with_metadata(content, TOLD))
    assert metadata_of(content) == {} and metadata_of(path.read_bytes()) == TOLD
    before, behind = load_runtime(tflite[key]), load_runtime(path)
    signal, features = raw[0][:5], raw[1][:5]
    expected = before.probabilities(signal, features, None)
    np.testing.assert_array_equal(behind.probabilities(signal, features, None), expected)
    assert 0 < path.stat().st_size - len(content) < 2_000


def test_a_second_telling_replaces_the_first(tflite):
    content = with_metadata(with_metadata(tflite["int8"].read_bytes(), {"a": 1}), TOLD)
    assert metadata_of(content) == TOLD


def test_only_a_tflite_file_can_say_something(fused_onnx):
    for content in (b"", fused_onnx.read_bytes()):
        with pytest.raises(ModelError, match="this is none"):
            with_metadata(content, TOLD)
        with pytest.raises(ModelError, match="this is none"):
            metadata_of(content)
