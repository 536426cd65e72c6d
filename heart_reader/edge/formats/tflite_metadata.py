"""What a TFLite file says of itself: a named buffer of JSON beside the graph.

The format allows it, and interpreters read past it. Millivolts go in and normalisation is inside,
so that nothing else is needed to call the file.
"""

import json
from collections.abc import Mapping
from typing import Any

from heart_reader.errors import ModelError

NAME = "heart_reader.json"
IDENTIFIER = b"TFL3"


def with_metadata(content: bytes, tree: Mapping[str, Any]) -> bytes:
    """The file with ``tree`` in it, in place of what was there under `NAME`.

    Raises:
        ModelError: no TFLite file.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = _opened(content, schema)
    text = json.dumps(tree, allow_nan=False).encode()
    kept = [each for each in model.metadata or () if each.name.decode() != NAME]
    buffer, named = schema.BufferT(), schema.MetadataT()
    buffer.data = list(text)
    named.name, named.buffer = NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*kept, named]
    builder = flatbuffers.Builder(len(content) + 2 * len(text))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def metadata_of(content: bytes) -> dict[str, Any]:
    """What `with_metadata` wrote; empty where nothing was.

    Raises:
        ModelError: no TFLite file, or something else under `NAME`.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = _opened(content, schema)
    for each in model.metadata or ():
        if each.name.decode() == NAME:
            found = json.loads(bytes(bytearray(model.buffers[each.buffer].data)))
            if isinstance(found, dict):
                return found
            raise ModelError(f"{NAME} in a TFLite file must be an object, but is {type(found)}")
    return {}


def _opened(content: bytes, schema: Any) -> Any:
    if content[4:8] != IDENTIFIER:
        raise ModelError("only a TFLite file can say something of itself, and this is none")
    return schema.ModelT.InitFromPackedBuf(content)
