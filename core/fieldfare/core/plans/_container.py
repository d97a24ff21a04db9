"""The manifest inside the `.tflite` file, and the digest that guards the whole file.

The metadata entry "fieldfare.sha256" holds the SHA-256 of the file with that entry's own 32 bytes set to zero, so that
a damaged or edited plan is noticed before the runtime sees it.
"""

import hashlib
import struct
from typing import Any

from fieldfare.core.errors import PlanError
from fieldfare.core.plans._manifest import Manifest

_MANIFEST = "fieldfare.manifest"
_DIGEST = "fieldfare.sha256"
_DIGEST_BYTES = 32
_IDENTIFIER = b"TFL3"
_NOT_A_PLAN = "not a Fieldfare plan: make one with `fieldfare export`"


def attach_manifest(model: bytes, manifest: Manifest) -> bytes:
    """Return `model` (a `.tflite` flatbuffer) with the manifest and the digest in its metadata.

    Raises:
        PlanError: `model` is no TFLite flatbuffer.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    if model[4:8] != _IDENTIFIER:
        raise PlanError("not a TFLite flatbuffer")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    kept = [one for one in tree.metadata or [] if one.name not in {_MANIFEST.encode(), _DIGEST.encode()}]
    tree.metadata = kept
    for name, content in ((_MANIFEST, manifest.to_bytes()), (_DIGEST, bytes(_DIGEST_BYTES))):
        buffer = schema.BufferT()
        buffer.data = list(content)
        tree.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(tree.buffers) - 1
        tree.metadata.append(entry)
    builder = flatbuffers.Builder(len(model) + 4096)
    builder.Finish(tree.Pack(builder), file_identifier=_IDENTIFIER)
    packed = bytearray(builder.Output())
    start, _ = _find(packed, _DIGEST)
    packed[start : start + _DIGEST_BYTES] = hashlib.sha256(packed).digest()
    return bytes(packed)


def read_manifest(model: bytes | bytearray | memoryview) -> Manifest:
    """Check the digest of a plan and read its manifest. Does not start a runtime.

    Args:
        model: the whole file.

    Raises:
        PlanError: no TFLite file, one without a manifest, a damaged one, one from a newer version.
    """
    if bytes(model[4:8]) != _IDENTIFIER:
        raise PlanError(_NOT_A_PLAN)
    start, length = _find(model, _DIGEST)
    if length != _DIGEST_BYTES:
        raise PlanError("the plan is damaged: its digest is cut short")
    view = memoryview(model)
    digest = hashlib.sha256(view[:start])
    digest.update(bytes(_DIGEST_BYTES))
    digest.update(view[start + _DIGEST_BYTES :])
    if digest.digest() != bytes(view[start : start + _DIGEST_BYTES]):
        raise PlanError("the plan is damaged: its digest does not match; fetch or export it again")
    start, length = _find(model, _MANIFEST)
    return Manifest.from_bytes(bytes(view[start : start + length]))


def _find(model: bytes | bytearray | memoryview, name: str) -> tuple[int, int]:
    """Position and length of the metadata entry `name`."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        tree = schema.Model.GetRootAs(model, 0)
        for index in range(tree.MetadataLength()):
            entry = tree.Metadata(index)
            if entry.Name() == name.encode():
                return _buffer_position(tree.Buffers(entry.Buffer()), len(model))
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        # Safe: these are what the flatbuffer accessors raise on offsets that lead nowhere.
        raise PlanError("the plan is damaged; fetch or export it again") from error
    raise PlanError(_NOT_A_PLAN)


def _buffer_position(buffer: Any, size: int) -> tuple[int, int]:
    table = buffer._tab  # the generated class has no public way to a vector's position
    start, length = int(table.Vector(table.Offset(4))), int(buffer.DataLength())
    if start + length > size:
        raise IndexError("the entry ends beyond the file")
    return start, length
