"""Sending an artifact from an offset on, read from storage piece by piece."""

from collections.abc import AsyncIterator

from fieldfare.aggregator.engine import Engine
from fieldfare.aggregator.service._workers import Workers
from fieldfare.aggregator.storage import DamagedError
from fieldfare.core.errors import ProtocolError
from fieldfare.protos.v1 import aggregator_pb2

CHUNK_BYTES = 2**20
"""The most that the protocol allows: every piece costs a change of threads and a message."""


async def send_artifact(
    engine: Engine, workers: Workers, request: aggregator_pb2.FetchArtifactRequest, sealed: bytes | None
) -> AsyncIterator[aggregator_pb2.ArtifactChunk]:
    """The artifact's chunks.

    Args:
        engine: where it is.
        workers: read from disk.
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
        data = await workers.run(engine.read_artifact, request.sha256, offset, CHUNK_BYTES)
        if not data:
            raise DamagedError(f"the artifact ends at {offset} of {size} bytes")
        yield aggregator_pb2.ArtifactChunk(offset=offset, data=data)
        engine.count_download(ticket, len(data))
        offset += len(data)
