"""The manifest inside the `.tflite` file, and the digest that guards the whole file.

The metadata entry "fieldfare.sha256" holds the SHA-256 of the file with that entry's own 32 bytes set to zero, so that
a damaged or edited plan is noticed before the runtime sees it.
"""

import copy
import hashlib
import struct
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fieldfare.core.errors import PlanError
from fieldfare.core.plans._manifest import Manifest

_MANIFEST = "fieldfare.manifest"
_DIGEST = "fieldfare.sha256"
_DIGEST_BYTES = 32
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
_ITEM_BYTES = 512  # more than a tensor or an operator takes beside its data
_PIECE_BYTES = 1 << 20
_NOT_A_PLAN = "not a Fieldfare plan: make one with `fieldfare export`"


def attach_manifest(model: bytes, manifest: Manifest) -> bytes:
    """Return `model` (a `.tflite` flatbuffer) with the manifest and the digest in its metadata.

    Raises:
        PlanError: `model` is no TFLite flatbuffer.
    """
    from ai_edge_litert import schema_py_generated as schema

    if model[4:8] != _IDENTIFIER:
        raise PlanError("not a TFLite flatbuffer")
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    kept = [one for one in tree.metadata or [] if one.name not in {_MANIFEST.encode(), _DIGEST.encode()}]
    tree.metadata = kept
    for name, content in ((_MANIFEST, manifest.to_bytes()), (_DIGEST, bytes(_DIGEST_BYTES))):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        tree.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(tree.buffers) - 1
        tree.metadata.append(entry)
    packed = pack_model(tree)
    start, _ = _find(packed, _DIGEST)
    packed[start : start + _DIGEST_BYTES] = hashlib.sha256(packed).digest()
    return bytes(packed)


def pack_model(tree: Any) -> memoryview:
    """The bytes of a `ModelT`, writable; every buffer starts at a multiple of 16 bytes, as the format asks.

    Raises:
        PlanError: more than 2 GB, the format's limit.
    """
    import flatbuffers

    whole = copy.copy(tree)
    whole.buffers = [_AlignedBuffer(one) for one in tree.buffers]
    items = len(whole.buffers) + sum(len(one.tensors or ()) + len(one.operators or ()) for one in tree.subgraphs or ())
    try:
        # Room for everything at once: a builder that grows copies what it holds.
        builder = flatbuffers.Builder(sum(one.size for one in whole.buffers) + items * _ITEM_BYTES)
        builder.Finish(whole.Pack(builder), file_identifier=_IDENTIFIER)
    except flatbuffers.builder.BuilderSizeError as error:
        raise PlanError("the plan is larger than 2 GB, which the format does not allow: freeze int8 weights") from error
    return memoryview(builder.Bytes)[builder.Head() :]


class _AlignedBuffer:
    """A `BufferT` that is packed as the schema asks, which the generated class does not do."""

    def __init__(self, buffer: Any) -> None:
        self._data = np.asarray(() if buffer.data is None else buffer.data, np.uint8)
        self.size = self._data.size

    def Pack(self, builder: Any) -> int:  # noqa: N802  (the generated packer calls it)
        from ai_edge_litert import schema_py_generated as schema

        if self.size:
            builder.StartVector(1, self.size, _ALIGNMENT)
            builder.head -= self.size
            builder.Bytes[builder.head : builder.head + self.size] = np.ascontiguousarray(self._data).data
            data = builder.EndVector()
        schema.BufferStart(builder)
        if self.size:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def read_manifest(model: bytes | bytearray | memoryview | Path) -> Manifest:
    """Check the digest of a plan and read its manifest. Does not start a runtime.

    Args:
        model: the whole file, or its path: it is then read piece by piece, and little of it is in memory at a time.

    Raises:
        PlanError: no TFLite file, one without a manifest or a graph, a damaged one, one from a newer version, one that
            cannot be read.
    """
    if not isinstance(model, Path):
        view = memoryview(model)
        return _checked(view, lambda start, end: iter((view[start:end],)))
    try:
        with model.open("rb") as file:
            if not model.stat().st_size:
                raise PlanError(f"the plan {model} is empty")
            # Mapped to find the manifest's place, which touches few pages; pages that are hashed would stay resident.
            return _checked(np.memmap(file, np.uint8, "r").data, lambda start, end: _pieces(file, start, end))
    except OSError as error:
        raise PlanError(f"cannot read the plan {model}: {error.strerror}") from error


def _pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (piece := file.read(min(_PIECE_BYTES, end - start))):
        start += len(piece)
        yield piece


def _checked(view: memoryview, pieces: Callable[[int, int], Iterator[bytes | memoryview]]) -> Manifest:
    """The manifest of a plan whose digest is right.

    Args:
        view: the whole file, of which little is touched.
        pieces: reads from a start up to an end.
    """
    if bytes(view[4:8]) != _IDENTIFIER:
        raise PlanError(_NOT_A_PLAN)
    start, length = _find(view, _DIGEST)
    if length != _DIGEST_BYTES:
        raise PlanError("the plan is damaged: its digest is cut short")
    digest = hashlib.sha256()
    for piece in chain(pieces(0, start), (bytes(_DIGEST_BYTES),), pieces(start + _DIGEST_BYTES, len(view))):
        digest.update(piece)
    if digest.digest() != bytes(view[start : start + _DIGEST_BYTES]):
        raise PlanError("the plan is damaged: its digest does not match; fetch or export it again")
    _check_graph(view)
    start, length = _find(view, _MANIFEST)
    return Manifest.from_bytes(bytes(view[start : start + length]))


def _check_graph(model: memoryview) -> None:
    """Refuse a file without any graph: LiteRT does not look, and takes the process down."""
    from ai_edge_litert import schema_py_generated as schema

    # Safe: the metadata of the same root was found already, so that its table can be read.
    if not schema.Model.GetRootAs(model, 0).SubgraphsLength():
        raise PlanError("the plan has no graph; export it again")


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
