"""The bytes are protobuf's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldfare.core.framing import bytes_field_head, sole_bytes_field
from fieldfare.protos.v1 import aggregator_pb2

SIZES = [0, 1, 127, 128, 129, 16383, 16384, 2**20, 2**21 - 1, 2**21]


@pytest.mark.parametrize("size", SIZES)
def test_a_head_and_the_content_are_the_message(size: int) -> None:
    content = bytes(size)
    message = aggregator_pb2.ReportRequest(data=content).SerializeToString()
    assert bytes_field_head(2, size) + content == message
    assert sole_bytes_field(2, message) == content


@pytest.mark.parametrize(("number", "length"), [(0, 1), (16, 1), (2, -1)])
def test_what_cannot_be_written(number: int, length: int) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        bytes_field_head(number, length)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x12",
        aggregator_pb2.ReportRequest(header=aggregator_pb2.ReportHeader(ticket=b"t" * 200)).SerializeToString(),
        aggregator_pb2.ReportRequest(data=b"12").SerializeToString() * 2,
        aggregator_pb2.ReportRequest(data=b"123").SerializeToString()[:-1],
        b"\x12\x81\x00x",  # a length written longer than it needs to be: protobuf reads it
    ],
)
def test_any_other_message_is_left_to_protobuf(message: bytes) -> None:
    assert sole_bytes_field(2, message) is None


@given(st.binary(max_size=300))
def test_what_is_read_is_what_protobuf_reads(message: bytes) -> None:
    content = sole_bytes_field(2, message)
    if content is not None:
        assert aggregator_pb2.ReportRequest.FromString(message) == aggregator_pb2.ReportRequest(data=bytes(content))


@given(st.binary(max_size=300))
def test_every_sole_field_is_found(content: bytes) -> None:
    assert sole_bytes_field(2, aggregator_pb2.ReportRequest(data=content).SerializeToString()) == content
