"""Chunks and parts of reports that protobuf does not copy."""

import pytest
from google.protobuf.message import DecodeError

from fieldfare.aggregator.service._uncopied import RecentChunks, encode_chunk, read_report_request
from fieldfare.protos.v1 import aggregator_pb2


@pytest.mark.parametrize("offset", [0, 1, 2**20, 2**40])
@pytest.mark.parametrize("data", [b"x", bytes(200), bytes(2**20)])
def test_a_chunk_is_the_message(offset: int, data: bytes) -> None:
    chunk = encode_chunk(offset, data)
    assert aggregator_pb2.ArtifactChunk.FromString(chunk.message) == aggregator_pb2.ArtifactChunk(
        offset=offset, data=data
    )
    assert chunk.nbytes == len(data)


def test_parts_of_a_report() -> None:
    header = aggregator_pb2.ReportRequest(header=aggregator_pb2.ReportHeader(ticket=b"t"))
    assert read_report_request(header.SerializeToString()) == header
    part = read_report_request(aggregator_pb2.ReportRequest(data=b"abc").SerializeToString())
    assert (part.WhichOneof("part"), part.HasField("data"), part.HasField("header")) == ("data", True, False)
    assert bytes(part.data) == b"abc"
    with pytest.raises(DecodeError):
        read_report_request(b"\xff")


def test_the_chunks_asked_for_last_are_kept() -> None:
    recent, a, b, c = RecentChunks(8), *(encode_chunk(0, data) for data in (b"aaa", b"bbbb", b"cccc"))
    recent.keep(b"a", 0, a)
    recent.keep(b"b", 0, b)
    assert recent.get(b"a", 0) is a
    assert recent.get(b"a", 1) is None
    recent.keep(b"c", 0, c)
    assert [recent.get(key, 0) for key in (b"a", b"b", b"c")] == [a, None, c]
    recent.keep(b"c", 0, c)
    assert recent.get(b"a", 0) is a
    recent.keep(b"d", 0, encode_chunk(0, bytes(9)))
    assert [recent.get(key, 0) for key in (b"a", b"c", b"d")] == [None, None, None]
