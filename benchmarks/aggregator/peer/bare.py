"""What gRPC and SHA-256 alone cost: no ticket, no ledger, no disk, nothing checked but digests.

python -m benchmarks.aggregator.peer.bare server CLIENTS SIZE PROGRESS
python -m benchmarks.aggregator.peer.bare client ADDRESS INDEX SIZE ROUNDS

In each round every client fetches the model and hashes it, hashes its update and streams it with the digest last. The
server hashes each update, adds it to a float32 sum, and answers once all are in. Chunks are those of Fieldfare.
"""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.aggregator.drivers import CHUNK_BYTES
from benchmarks.aggregator.peer.updates import mean_update, update_of

_DOWN_CHUNK_BYTES = 2**18  # as the aggregator sends
_SERVICE = "benchmarks.Bare"


class Rounds:
    """Handlers of the two calls, and the sum."""

    def __init__(self, clients: int, size: int, progress: Path) -> None:
        self._clients, self._size, self._progress = clients, size, progress
        self._expected = mean_update(clients, size)
        self._model = bytes(4 * size)
        self._sum, self._in, self._over = np.zeros(size, np.float32), 0, asyncio.Event()

    async def fetch(self, _request: bytes, _context: Any) -> AsyncIterator[bytes]:
        for start in range(0, len(self._model), _DOWN_CHUNK_BYTES):
            yield self._model[start : start + _DOWN_CHUNK_BYTES]

    async def report(self, messages: AsyncIterator[bytes], _context: Any) -> bytes:
        update, at, digest = bytearray(4 * self._size), 0, b""
        async for message in messages:
            if at == len(update):
                digest = message
            else:
                update[at : at + len(message)] = message
                at += len(message)
        over = self._over
        if await asyncio.to_thread(lambda: hashlib.sha256(update).digest()) != digest:
            raise SystemExit("an update is damaged")
        self._sum += np.frombuffer(update, "<f4")
        self._in += 1
        if self._in == self._clients:
            self._end()
        await over.wait()
        return b""

    def _end(self) -> None:
        mean = self._sum / self._clients
        with self._progress.open("a") as file:
            file.write(f"{float(np.abs(mean - self._expected).max())}\n")
        self._model = mean.tobytes()
        self._sum, self._in, over = np.zeros(self._size, np.float32), 0, self._over
        self._over = asyncio.Event()
        over.set()


async def serve(clients: str, size: str, progress: str) -> None:
    rounds = Rounds(int(clients), int(size), Path(progress))
    handlers = {
        "Fetch": grpc.unary_stream_rpc_method_handler(rounds.fetch),
        "Report": grpc.stream_unary_rpc_method_handler(rounds.report),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    print(f"listening on 127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", flush=True)
    await server.start()
    await server.wait_for_termination()


def take_part(address: str, index: str, size: str, rounds: str) -> None:
    channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
    fetch, report = channel.unary_stream(f"/{_SERVICE}/Fetch"), channel.stream_unary(f"/{_SERVICE}/Report")
    payload = memoryview(update_of(int(index), int(size)).tobytes())

    def messages() -> Iterator[bytes]:
        digest = hashlib.sha256(payload).digest()
        for start in range(0, len(payload), CHUNK_BYTES):
            yield bytes(payload[start : start + CHUNK_BYTES])
        yield digest

    for _ in range(int(rounds)):
        digest, model = hashlib.sha256(), []
        for chunk in fetch(b"", wait_for_ready=True):
            digest.update(chunk)
            model.append(chunk)
        digest.digest()
        report(messages())


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    if role == "server":
        asyncio.run(serve(*arguments))
    else:
        take_part(*arguments)
