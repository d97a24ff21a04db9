"""How an update becomes bytes and back: stages applied in order on the device, undone in reverse by the aggregator."""

from fieldfare.core.encodings._codec import (
    FLOAT16,
    FLOAT32,
    KNOWN_STAGES,
    count_vectors,
    decode_update,
    encode_update,
    encoded_bytes,
    stage_names,
)

__all__ = [
    "FLOAT16",
    "FLOAT32",
    "KNOWN_STAGES",
    "count_vectors",
    "decode_update",
    "encode_update",
    "encoded_bytes",
    "stage_names",
]
