"""Damaged copies of valid input: bytes by position, messages field by field, so that damage reaches every depth."""

import random
import struct
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_INTEGERS = (0, 1, 2, 3, 127, 128, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
_DOUBLES = (0.0, -0.0, 1.0, -1.0, 1e-320, 1e300, -1e300, float("inf"), float("-inf"), float("nan"), 0.1, 256.0, 257.0)
_LIMITS = {
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_ENUM: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
}


def damaged_bytes(rng: random.Random, data: bytes) -> bytes:
    """`data` with a few bytes flipped, overwritten, removed, doubled, cut off or put in."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(result) + 1)
        match rng.randrange(7):
            case 0 if at < len(result):
                result[at] ^= 1 << rng.randrange(8)
            case 1:
                result[at : at + 4] = struct.pack("<I", rng.choice(_INTEGERS) & 0xFFFFFFFF)
            case 2:
                result[at : at + 8] = struct.pack("<d", rng.choice(_DOUBLES))
            case 3:
                del result[at : at + rng.randrange(1, 16)]
            case 4:
                result[at:at] = result[at : at + rng.randrange(1, 64)]
            case 5:
                del result[at:]
            case _:
                result[at:at] = rng.randbytes(rng.randrange(1, 16))
    return bytes(result)


def damaged_message(rng: random.Random, message: Message) -> Message:
    """A copy with a few fields, at any depth, cleared, repeated, or set to values that nobody should send."""
    result = type(message)()
    result.CopyFrom(message)
    for _ in range(rng.choice((1, 1, 2, 3))):
        _damage(rng, result, depth=0)
    return result


def damaged_wire(rng: random.Random, message: Message) -> bytes:
    """The bytes of a damaged message; now and then damaged once more as bytes."""
    data = damaged_message(rng, message).SerializeToString()
    return damaged_bytes(rng, data) if rng.random() < 0.2 else data


def _damage(rng: random.Random, message: Message, depth: int) -> None:
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    field = rng.choice(fields)
    if rng.random() < 0.15:
        message.ClearField(field.name)
    elif field.is_repeated:
        _damage_list(rng, getattr(message, field.name), field, depth)
    elif field.message_type is not None:
        inner = getattr(message, field.name)
        inner.SetInParent()
        if depth < 6:
            _damage(rng, inner, depth + 1)
    else:
        setattr(message, field.name, _value(rng, field, getattr(message, field.name)))


def _damage_list(rng: random.Random, values: Any, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is None:
        values.append(_value(rng, field, values[0] if values else None))
        return
    if values and rng.random() < 0.7:
        _damage(rng, rng.choice(values), depth + 1)
    elif values and rng.random() < 0.5:
        values.add().CopyFrom(values[0])
    elif values and rng.random() < 0.5:
        del values[rng.randrange(len(values))]
    else:
        values.add()


def _value(rng: random.Random, field: FieldDescriptor, now: Any) -> Any:
    if field.type in {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}:
        return rng.choice(_DOUBLES)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type == FieldDescriptor.TYPE_STRING:
        return rng.choice(("", "a" * 5000, "\0", "é", "../..", "a b", "loss", (now or "") + "x"))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return damaged_bytes(rng, now or b"") if rng.random() < 0.7 else rng.randbytes(rng.choice((0, 1, 16, 32, 64)))
    low, high = _LIMITS.get(field.type, (0, 2**31 - 1))
    return min(max(rng.choice((*_INTEGERS, -1)), low), high)
