"""Who a device is, what it can do, and whom it trusts."""

from pathlib import Path

from fieldfare.core.encodings import KNOWN_STAGES
from fieldfare.core.errors import ConfigError
from fieldfare.core.plans import runtime_version
from fieldfare.core.signing import PUBLIC_KEY_BYTES, public_key_from_pem
from fieldfare.core.tasks import DEVICE_ALGORITHMS
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.training import Limits


def public_key(source: Path | bytes) -> bytes:
    """A publisher's key, 32 bytes, from a PEM file or as it is.

    Raises:
        ConfigError: none that can be read.
    """
    if isinstance(source, bytes):
        if len(source) != PUBLIC_KEY_BYTES:
            raise ConfigError(f"a public key has {PUBLIC_KEY_BYTES} bytes", field="trusted_publishers")
        return source
    try:
        return public_key_from_pem(Path(source).read_bytes())
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}", field="trusted_publishers") from error


def capabilities(limits: Limits) -> aggregator_pb2.Capabilities:
    """What the device tells of itself at check-in; of memory no more than the app allows. Loads psutil."""
    import psutil

    from fieldfare.core import VERSION

    memory = psutil.virtual_memory().total
    return aggregator_pb2.Capabilities(
        sdk=f"fieldfare {VERSION}",
        runtime=runtime_version(),
        memory_bytes=memory if limits.memory_bytes is None else min(memory, limits.memory_bytes),
        encoding_stages=KNOWN_STAGES,
        algorithms=[one.value for one in DEVICE_ALGORITHMS],
    )
