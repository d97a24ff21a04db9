"""How messages reach the aggregator: the calls, gRPC, and the wrapper that writes the ledger."""

from fieldfare.sdk.transport._grpc import GrpcTransport
from fieldfare.sdk.transport._ledgered import LedgeredTransport
from fieldfare.sdk.transport._messages import DEFAULT_CHUNK_BYTES, SMALL_CHUNK_BYTES, ReportStream
from fieldfare.sdk.transport._protocol import Transport

__all__ = [
    "DEFAULT_CHUNK_BYTES",
    "SMALL_CHUNK_BYTES",
    "GrpcTransport",
    "LedgeredTransport",
    "ReportStream",
    "Transport",
]
