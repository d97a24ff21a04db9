"""The one place where gRPC's errors become ours."""

from typing import TYPE_CHECKING, Any

from fieldfare.core.errors import AuthenticationError, LimitError, PeerError, TransportError
from fieldfare.core.wording import one_line

if TYPE_CHECKING:
    import grpc

_FINAL = {
    "INVALID_ARGUMENT",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "ALREADY_EXISTS",
    "OUT_OF_RANGE",
    "DATA_LOSS",
}


# What gRPC says of a connection that did not come about, in lower case; what is wrong, and what to do.
_PEERS = (
    ("certificate has expired", "its certificate has expired: renew it there, or set the clock here"),
    ("certificate is not yet valid", "its certificate is not valid yet: set the clock, here or there"),
    (
        "hostname verification check failed",
        "its certificate is for another name: use the name in the address that the certificate has",
    ),
    (
        "certificate_verify_failed",
        "its certificate is not signed by an authority that is trusted here: give the right one (tls_ca, --tls-ca)",
    ),
    ("wrong_version_number", "it does not speak TLS: start it with a certificate, or correct the port"),
    ("http1.x server", "it is a web server, and no aggregator: correct the address or the port"),
)


def transport_error(error: "grpc.RpcError", address: str) -> TransportError:
    """Say in words what went wrong with a call, and whether the same call may succeed later."""
    code, detail = error.code().name, one_line(error.details() or "")
    if code == "UNAVAILABLE":
        return _unavailable(detail, address)
    if code == "DEADLINE_EXCEEDED":
        return TransportError(f"the call to the aggregator at {address} took too long ({detail})")
    refusal = _refusal(error, code, detail, address)
    if refusal is not None:
        return refusal
    words = code.lower().replace("_", " ")
    if code in _FINAL:
        return TransportError(f"the aggregator at {address} refuses the call ({words}): {detail}", retryable=False)
    return TransportError(f"the call to the aggregator at {address} failed ({words}): {detail}")


def _refusal(error: "grpc.RpcError", code: str, detail: str, address: str) -> TransportError | None:
    """The statuses that have an error of their own."""
    if code == "UNIMPLEMENTED":
        return PeerError(
            f"what answers at {address} is no Fieldfare aggregator, or one that speaks another version of the protocol "
            f"than this SDK ({detail}): correct the address, or upgrade the older of the two"
        )
    if code == "RESOURCE_EXHAUSTED" and (pushback := _number(error, "grpc-retry-pushback-ms")) is not None:
        return LimitError(f"the aggregator at {address} asks for a pause: {detail}", retry_after_s=pushback / 1000)
    if code == "UNAUTHENTICATED":
        return AuthenticationError(
            f"the aggregator at {address} does not know this device: {detail}",
            server_time_micros=_number(error, "fieldfare-time-micros"),
        )
    return None


def _number(error: "grpc.RpcError", name: str) -> int | None:
    """A number that came beside the words, where there is one."""
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == name and isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value[:20])
    return None


def _unavailable(detail: str, address: str) -> TransportError:
    lower = detail.lower()
    for needle, words in _PEERS:
        if needle in lower:
            return PeerError(f"the connection to {address} was given up: {words}")
    return TransportError(f"cannot reach the aggregator at {address} {_reason(detail, lower)}")


def _reason(detail: str, lower: str) -> str:
    if "connection refused" in lower:
        return "(connection refused): is `fieldfare serve` running there?"
    if "handshake" in lower or "certificate" in lower or "tls" in lower or "ssl" in lower:
        return f"(TLS handshake failed): {detail}"
    if "socket closed" in lower:
        return "(it closed the connection): is it just stopping, or does it ask for TLS (--tls-ca)?"
    if "dns" in lower or "name resolution" in lower or "address lookup" in lower:
        return "(its name is not known): is the address right?"
    return f"({detail or 'unavailable'})"
