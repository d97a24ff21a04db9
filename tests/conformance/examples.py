"""One example for every message of `fieldfare.protos.v1`, with every field set, and for every byte format of core.

The values are made by rule, so that a new message or field has an example at once. They are what the golden files
hold; change nothing here unless the golden files are to change.
"""

import importlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import fieldfare.protos.v1 as wire
from fieldfare.core.aggregation import FixedPointSum, SumBounds
from fieldfare.core.encodings import FLOAT16, FLOAT32, encode_update
from fieldfare.core.rounds import Ticket, seal_ticket
from fieldfare.core.server_optimizers import CONTROL
from fieldfare.core.weights import TensorSpec, pack_weights

GOLDEN = Path(__file__).parent / "golden"
PACKAGE = "fieldfare.protos.v1"

_VALUES = {
    "sha256": bytes(range(32)),
    "device_id": bytes(range(16)),
    "epochs": 3,
    "evaluate_every": 2,
    "goal_count": 10,
    "max_abs_value": 0.25,
    "max_examples": 500,
    "min_evaluation_examples": 3,
    "min_examples": 4,
    "min_snapshot_updates": 2,
    "minimum": 5,
    "over_selection": 1.5,
}
_WELL_KNOWN = {
    "google.protobuf.Duration": {"seconds": 90, "nanos": 500_000_000},
    "google.protobuf.Timestamp": {"seconds": 1_772_600_767, "nanos": 890_123_000},
}


def files() -> list[FileDescriptor]:
    """Every `.proto` file of the package, found on disk, so that none can be left out."""
    names = sorted(path.stem for path in Path(wire.__file__).parent.glob("*.proto"))
    return [importlib.import_module(f"{PACKAGE}.{name}_pb2").DESCRIPTOR for name in names]


def descriptors() -> list[Descriptor]:
    """Every message of the package, nested ones too."""
    found: list[Descriptor] = []
    waiting = [one for file in files() for one in file.message_types_by_name.values()]
    while waiting:
        found.append(waiting.pop(0))
        waiting += found[-1].nested_types
    return found


def _value(field: FieldDescriptor) -> object:
    by_type = {
        FieldDescriptor.TYPE_STRING: field.name,
        FieldDescriptor.TYPE_BYTES: field.name.encode(),
        FieldDescriptor.TYPE_BOOL: True,
        FieldDescriptor.TYPE_UINT32: 300 + field.number,
        FieldDescriptor.TYPE_UINT64: 5_000_000_000 + field.number,
        FieldDescriptor.TYPE_DOUBLE: 0.5 + field.number,
    }
    if field.message_type is not None:
        known = _WELL_KNOWN.get(field.message_type.full_name)
        return fill(field.message_type) if known is None else GetMessageClass(field.message_type)(**known)
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    return _VALUES.get(field.name, by_type[field.type])


def fill(descriptor: Descriptor, branch: int = 0) -> Message:
    """The message with every field set; of a oneof the field at `branch`."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and len(oneof.fields) > 1 and oneof.fields[branch] != field:
            continue
        value = _value(field)
        if field.is_repeated:
            getattr(message, field.name).extend([value])
        elif isinstance(value, Message):
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)
    return message


def _all() -> dict[str, Message]:
    examples: dict[str, Message] = {}
    for descriptor in descriptors():
        choices = [one for one in descriptor.oneofs if len(one.fields) > 1]
        if not choices:
            examples[descriptor.full_name] = fill(descriptor)
        for oneof in choices:
            for branch, field in enumerate(oneof.fields):
                examples[f"{descriptor.full_name}.{field.name}"] = fill(descriptor, branch)
    return examples


EXAMPLES = _all()
"""Full name of the message, with the field's name for each choice of a oneof, to the example."""

SPECS = (TensorSpec("dense/kernel", "float32", (2, 2)), TensorSpec("dense/bias", "float32", (1,)))
VECTOR = np.array([1.0, -0.5, 0.1, 65504.0, -(2.0**-24)], "f4")
WEIGHTS_FILE = pack_weights(SPECS, VECTOR)

SNAPSHOT_BOUNDS = SumBounds(max_abs_value=256.0, max_weight=100_000, max_updates=100)


def snapshot_sum() -> FixedPointSum:
    """Two updates."""
    total = FixedPointSum(3, SNAPSHOT_BOUNDS)
    total.add(np.array([1.0, -0.5, 0.1], "f4"), 7)
    total.add(np.array([-256.0, 0.25, 3.0], "f4"), 100_000)
    return total


SNAPSHOT = snapshot_sum().to_bytes()

TICKET_KEY = bytes(range(32))
TICKET_CLAIMS = Ticket(bytes(range(16)), bytes(range(16, 32)), 7, 1, datetime(2026, 3, 4, 5, 6, 7, 890123, UTC))
TICKET = seal_ticket(TICKET_KEY, TICKET_CLAIMS)

FORMATS = {
    "weights_file": WEIGHTS_FILE,
    "snapshot": SNAPSHOT,
    "ticket": TICKET,
    "update_float32": encode_update(FLOAT32, VECTOR),
    "update_float16": encode_update(FLOAT16, VECTOR),
    "update_two_vectors": encode_update(FLOAT16, np.concatenate([VECTOR, VECTOR[::-1]]), parts=2),
    "control_file": pack_weights((TensorSpec(CONTROL, "float32", VECTOR.shape),), VECTOR),
}
"""Name of a byte format to the bytes that core writes today."""
