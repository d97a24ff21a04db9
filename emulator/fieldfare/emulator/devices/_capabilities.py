"""What emulated devices say that they can do."""

from fieldfare.core.encodings import KNOWN_STAGES
from fieldfare.core.tasks import DEVICE_ALGORITHMS
from fieldfare.protos.v1 import aggregator_pb2


def capabilities(memory_bytes: int) -> aggregator_pb2.Capabilities:
    """All that the SDK can do, and so much memory."""
    return aggregator_pb2.Capabilities(
        protocol_version=1,
        memory_bytes=memory_bytes,
        encoding_stages=KNOWN_STAGES,
        algorithms=[one.value for one in DEVICE_ALGORITHMS],
    )
