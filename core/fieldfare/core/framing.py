"""A protobuf message whose only large field is bytes, written and read without protobuf's copies of them.

What is on the wire is the same to the byte: a tag, the length as a varint, the content
(https://protobuf.dev/programming-guides/encoding/).
"""

__all__ = ["bytes_field_head", "sole_bytes_field"]

_LENGTH_DELIMITED = 2
_LARGEST_NUMBER = 15
_LONGEST_HEAD = 6


def bytes_field_head(number: int, length: int) -> bytes:
    """What comes before the content of a bytes field.

    Args:
        number: of the field, 1 to 15, so that its tag is one byte.
        length: of the content.

    Raises:
        ValueError: another number, or a length below 0.
    """
    if not 1 <= number <= _LARGEST_NUMBER or length < 0:
        raise ValueError(f"field {number} with {length} bytes cannot be written")
    head = bytearray([number << 3 | _LENGTH_DELIMITED])
    while length > 0x7F:  # noqa: PLR2004
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head)


def sole_bytes_field(number: int, message: bytes) -> memoryview | None:
    """The content of a bytes field in a message that consists of this field, once, and nothing else.

    Args:
        number: of the field, 1 to 15.
        message: the serialised message.

    Returns:
        A view of the content; None where the message is any other, which protobuf has to read.
    """
    # The head is a byte longer for every 7 bits of the length, which is what is left of the message.
    for head_bytes in range(2, min(len(message), _LONGEST_HEAD) + 1):
        head = bytes_field_head(number, len(message) - head_bytes)
        if len(head) == head_bytes and message.startswith(head):
            return memoryview(message)[head_bytes:]
    return None
