import numpy as np
import pytest

from fieldfare.core.encodings import (
    FLOAT16,
    FLOAT32,
    KNOWN_STAGES,
    count_vectors,
    decode_update,
    encode_update,
    encoded_bytes,
    stage_names,
)
from fieldfare.core.errors import UpdateError
from fieldfare.protos.v1.encoding_pb2 import Encoding, EncodingStage

UNKNOWN = Encoding.FromString(b"\x0a\x02\x1a\x00")
TWO = Encoding(stages=[*FLOAT16.stages, *FLOAT32.stages])


def test_names_of_stages():
    assert KNOWN_STAGES == ("float16", "float32")
    assert stage_names(FLOAT16) == ("float16",)
    assert stage_names(TWO) == ("float16", "float32")
    assert stage_names(Encoding()) == ("float32",)


@pytest.mark.parametrize("encoding", [UNKNOWN, Encoding(stages=[EncodingStage()])])
def test_a_stage_from_a_newer_peer_is_refused(encoding):
    for call in (lambda: stage_names(encoding), lambda: encoded_bytes(encoding, 1)):
        with pytest.raises(UpdateError, match="upgrade Fieldfare") as caught:
            call()
        assert caught.value.reason == "encoding"


def test_two_last_stages_do_not_go_together():
    with pytest.raises(UpdateError, match=r"float16\+float32 do not go together: exactly one"):
        encode_update(TWO, np.zeros(1, "f4"))


def test_float32_byte_for_byte():
    vector = np.array([1.0, -0.5], "f4")
    assert encoded_bytes(FLOAT32, 2) == 8
    assert encode_update(FLOAT32, vector) == encode_update(Encoding(), vector) == bytes.fromhex("0000803f000000bf")


def test_float16_byte_for_byte_rounds_to_nearest_even():
    vector = np.array([1.0, -0.5, 2049.0, 2051.0], "f4")
    assert encoded_bytes(FLOAT16, 4) == 8
    assert encode_update(FLOAT16, vector) == bytes.fromhex("003c00b800680268")
    decoded = decode_update(FLOAT16, bytes.fromhex("003c00b800680268"), 4, max_abs_value=4096)
    assert decoded.dtype == np.float32
    assert decoded.tolist() == [1.0, -0.5, 2048.0, 2052.0]


def test_float16_refuses_what_it_cannot_hold():
    assert encode_update(FLOAT16, np.array([65504.0], "f4")) == bytes.fromhex("ff7b")
    with pytest.raises(UpdateError, match=r"65504.*use float32"):
        encode_update(FLOAT16, np.array([65520.0], "f4"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_on_both_sides(value):
    vector = np.array([0.0, value], "f4")
    with pytest.raises(UpdateError) as caught:
        encode_update(FLOAT32, vector)
    assert caught.value.reason == "non_finite"
    for encoding, payload in ((FLOAT32, vector.tobytes()), (FLOAT16, vector.astype("f2").tobytes())):
        with pytest.raises(UpdateError, match="NaN or infinite") as caught:
            decode_update(encoding, payload, 2, max_abs_value=1.0)
        assert caught.value.reason == "non_finite"


@pytest.mark.parametrize("value", [1.0000001, -1.0000001])
def test_the_bound_itself_is_allowed_and_nothing_beyond(value):
    ends = np.array([1.0, -1.0], "f4")
    assert decode_update(FLOAT32, ends.tobytes(), 2, max_abs_value=1.0).tolist() == [1.0, -1.0]
    with pytest.raises(UpdateError, match="values beyond 1") as caught:
        decode_update(FLOAT32, np.array([value, 0], "f4").tobytes(), 2, max_abs_value=1.0)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("encoding", [FLOAT32, FLOAT16])
def test_two_vectors_are_encoded_one_by_one(encoding):
    both = np.array([1.0, -0.5, 2.0, 0.25], "f4")
    payload = encode_update(encoding, both, parts=2)
    assert payload == encode_update(encoding, both[:2]) + encode_update(encoding, both[2:])
    assert decode_update(encoding, bytearray(payload), 2, max_abs_value=2.0, parts=2).tolist() == both.tolist()
    with pytest.raises(UpdateError, match="values beyond 1"):
        decode_update(encoding, payload, 2, max_abs_value=1.0, parts=2)
    for wrong in (payload[:-1], payload[: len(payload) // 2]):
        with pytest.raises(UpdateError, match=f"expected {len(payload)} bytes"):
            decode_update(encoding, wrong, 2, max_abs_value=2.0, parts=2)


def test_how_many_vectors_a_payload_holds():
    assert [count_vectors(FLOAT16, nbytes, 3) for nbytes in (6, 12)] == [1, 2]
    for nbytes, size in ((0, 3), (0, 0), (7, 3), (18, 3)):
        with pytest.raises(UpdateError, match=f"has {nbytes} bytes, which are neither"):
            count_vectors(FLOAT16, nbytes, size)


@pytest.mark.parametrize("length", [0, 7, 9])
def test_another_length_is_refused(length):
    with pytest.raises(UpdateError, match=f"expected 8 bytes of update, got {length}") as caught:
        decode_update(FLOAT32, bytearray(length), 2, max_abs_value=1.0)
    assert caught.value.reason == "length"
