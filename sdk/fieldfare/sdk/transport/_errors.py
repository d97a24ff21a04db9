"""The one place where gRPC's errors become ours."""

from typing import TYPE_CHECKING, Any

from fieldfare.core.errors import AuthenticationError, TransportError

if TYPE_CHECKING:
    import grpc

_FINAL = {
    "INVALID_ARGUMENT",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "UNIMPLEMENTED",
    "FAILED_PRECONDITION",
    "ALREADY_EXISTS",
    "OUT_OF_RANGE",
    "DATA_LOSS",
}
_LONGEST_DETAIL = 300


def transport_error(error: "grpc.RpcError", address: str) -> TransportError:
    """Say in words what went wrong with a call, and whether the same call may succeed later."""
    code, detail = error.code().name, " ".join((error.details() or "").split())[:_LONGEST_DETAIL]
    if code == "UNAVAILABLE":
        return TransportError(f"cannot reach the aggregator at {address} {_reason(detail)}")
    if code == "DEADLINE_EXCEEDED":
        return TransportError(f"the aggregator at {address} did not answer in time")
    if code == "UNIMPLEMENTED":
        return TransportError(f"what answers at {address} is no Fieldfare aggregator ({detail})", retryable=False)
    if code == "UNAUTHENTICATED":
        return AuthenticationError(
            f"the aggregator at {address} does not know this device: {detail}", server_time_micros=_server_time(error)
        )
    words = code.lower().replace("_", " ")
    if code in _FINAL:
        return TransportError(f"the aggregator at {address} refuses the call ({words}): {detail}", retryable=False)
    return TransportError(f"the call to the aggregator at {address} failed ({words}): {detail}")


def _server_time(error: "grpc.RpcError") -> int | None:
    """The aggregator's clock, where it told."""
    metadata: Any = error.trailing_metadata() or ()
    for name, value in metadata:
        if name == "fieldfare-time-micros" and isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value[:20])
    return None


def _reason(detail: str) -> str:
    lower = detail.lower()
    if "connection refused" in lower:
        return "(connection refused): is `fieldfare serve` running there?"
    if "handshake" in lower or "certificate" in lower or "tls" in lower or "ssl" in lower:
        return f"(TLS handshake failed): is its certificate signed by the CA that was given? {detail}"
    if "socket closed" in lower:
        return "(it closed the connection): is it just stopping, or does it ask for TLS (--tls-ca)?"
    if "dns" in lower or "name resolution" in lower or "address lookup" in lower:
        return "(its name is not known): is the address right?"
    return f"({detail or 'unavailable'})"
