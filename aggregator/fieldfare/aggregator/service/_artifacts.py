"""Sending an artifact from an offset on, read from storage piece by piece."""

from collections.abc import AsyncIterator

from fieldfare.aggregator.engine import Engine
from fieldfare.aggregator.service._uncopied import EncodedChunk, RecentChunks, encode_chunk
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.storage import DamagedError
from fieldfare.core.errors import ProtocolError
from fieldfare.protos.v1 import aggregator_pb2

CHUNK_BYTES = 2**18
"""A device keeps whole pieces only: this is what a cut connection costs it."""


async def send_artifact(
    engine: Engine,
    workers: Workers,
    recent: RecentChunks,
    request: aggregator_pb2.FetchArtifactRequest,
    sealed: bytes | None,
) -> AsyncIterator[EncodedChunk]:
    """The artifact's chunks.

    Args:
        engine: where it is.
        workers: read from disk.
        recent: chunks that need not be read again.
        request: which one, and from where on.
        sealed: the device's ticket; None for administration.

    Raises:
        ProtocolError: a forged ticket, an offset beyond the end.
        NotFoundError: there is no such artifact for this ticket.
        DamagedError: the file here is shorter than it was.
        StorageError: it cannot be read.
    """
    size, ticket = await workers.run(engine.artifact_size, request.sha256, sealed)
    if request.offset > size:
        raise ProtocolError(f"the offset {request.offset} is beyond the artifact's {size} bytes")
    offset = request.offset
    while offset < size:
        chunk = recent.get(request.sha256, offset)
        if chunk is None:
            data = await workers.run(engine.read_artifact, request.sha256, offset, CHUNK_BYTES)
            if not data:
                raise DamagedError(f"the artifact ends at {offset} of {size} bytes")
            chunk = encode_chunk(offset, data)
            recent.keep(request.sha256, offset, chunk)
        yield chunk
        engine.count_download(ticket, chunk.nbytes)
        offset += chunk.nbytes
