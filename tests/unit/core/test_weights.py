import hashlib
import struct

import numpy as np
import pytest

from fieldfare.core.errors import WeightsError
from fieldfare.core.weights import (
    TensorSpec,
    join_tensors,
    pack_weights,
    sha256,
    specs_from_proto,
    specs_to_proto,
    split_vector,
    total_size,
    unpack_weights,
)
from fieldfare.protos.v1.tensors_pb2 import DTYPE_FLOAT16, DTYPE_FLOAT32, WeightsHeader
from fieldfare.protos.v1.tensors_pb2 import TensorSpec as Proto

KERNEL = TensorSpec("dense/kernel", "float32", (2, 3))
BIAS = TensorSpec("dense/bias", "float32", (3,))
SPECS = (KERNEL, BIAS)


@pytest.mark.parametrize(
    ("dtype", "nbytes"),
    [
        ("float32", 24),
        ("float16", 12),
        ("int8", 6),
        ("uint8", 6),
        ("int16", 12),
        ("int32", 24),
        ("int64", 48),
        ("bool", 6),
    ],
)
def test_size_in_elements_and_bytes(dtype, nbytes):
    spec = TensorSpec("x", dtype, (2, 3))
    assert (spec.size, spec.nbytes) == (6, nbytes)
    assert specs_from_proto(specs_to_proto([spec])) == (spec,)


def test_a_scalar_has_one_element():
    assert TensorSpec("x", "float32", ()).size == 1
    assert total_size([TensorSpec("x", "float32", ()), KERNEL]) == 7


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "words"),
    [
        ("", "float32", (1,), "name needs 1 to 256 characters, got 0"),
        ("x" * 257, "float32", (1,), "got 257"),
        ("x", "float64", (1,), "'float64' is not one of bool, float16, float32"),
        ("x", "float32", (1, 0), r"'x': shape \(1, 0\) needs axes that are each >= 1"),
        ("x", "float32", (-1,), "each >= 1"),
        ("x", "float32", (1,) * 9, "has 9 axes, at most 8"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(name, dtype, shape, words):
    with pytest.raises(WeightsError, match=words):
        TensorSpec(name, dtype, shape)


def test_the_bounds_of_a_spec_are_accepted():
    assert TensorSpec("x" * 256, "bool", (1,) * 8).size == 1


def test_messages_stay_short_whatever_a_peer_sends():
    with pytest.raises(WeightsError) as caught:
        specs_from_proto([Proto(name="x", dtype=DTYPE_FLOAT32, shape=[1] * 100_000)])
    assert len(str(caught.value)) < 200
    with pytest.raises(WeightsError, match="dtype code 99 is not known") as caught:
        specs_from_proto([Proto(name="x" * 100_000, dtype=99, shape=[1])])
    assert len(str(caught.value)) < 400


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(WeightsError, match="'x' stands twice"):
        specs_from_proto([Proto(name="x", dtype=DTYPE_FLOAT32, shape=[1]), Proto(name="x", dtype=DTYPE_FLOAT16)])


def test_too_many_bytes_are_refused_before_anything_is_allocated():
    with pytest.raises(WeightsError, match="more than 10000 tensors or 8589934592 bytes"):
        specs_from_proto([Proto(name="x", dtype=DTYPE_FLOAT32, shape=[2**32 - 1] * 8)])
    assert specs_from_proto([Proto(name="x", dtype=DTYPE_FLOAT32, shape=[2**31])])[0].nbytes == 2**33


def test_too_many_tensors_are_refused():
    protos = [Proto(name=str(index), dtype=DTYPE_FLOAT32, shape=[1]) for index in range(10_001)]
    assert len(specs_from_proto(protos[:10_000])) == 10_000
    with pytest.raises(WeightsError, match="more than 10000 tensors"):
        specs_from_proto(protos)


def test_join_and_split_keep_the_order_of_the_specs():
    tensors = {"dense/bias": np.array([7, 8, 9], "f4"), "dense/kernel": np.array([[1, 2, 3], [4, 5, 6]], "f4")}
    vector = join_tensors(SPECS, tensors)
    assert vector.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    parts = split_vector(SPECS, vector)
    assert list(parts) == ["dense/kernel", "dense/bias"]
    assert parts["dense/kernel"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.shares_memory(parts["dense/bias"], vector)


def test_join_takes_tensors_that_are_not_contiguous():
    kernel = np.arange(6, dtype="f4").reshape(3, 2).T
    assert join_tensors((KERNEL,), {"dense/kernel": kernel}).tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "'dense/bias' is missing"),
        ({"dense/bias": np.zeros(3, "f4"), "other": np.zeros(1, "f4")}, "does not have: other"),
        ({"dense/bias": np.zeros((3, 1), "f4")}, r"expected float32 \(3,\), got float32 \(3, 1\)"),
        ({"dense/bias": np.zeros(3, "f8")}, "got float64"),
        ({"dense/bias": np.zeros(3, ">f4")}, "got >f4"),
    ],
)
def test_join_says_which_tensor_does_not_fit(tensors, words):
    with pytest.raises(WeightsError, match=words):
        join_tensors((BIAS,), tensors)


@pytest.mark.parametrize("shape", [(8,), (10,), (9, 1), ()])
def test_split_refuses_another_length(shape):
    with pytest.raises(WeightsError, match="expected 9 weights, got shape"):
        split_vector(SPECS, np.zeros(shape, "f4"))


def test_sha256_is_that_of_the_standard_library_for_any_buffer():
    expected = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert sha256(b"abc") == sha256(bytearray(b"abc")) == sha256(memoryview(b"abc")) == expected
    assert hashlib.sha256(b"abc").digest() == expected


def test_weights_file_byte_for_byte():
    data = pack_weights((TensorSpec("b", "float32", (2,)),), np.array([1.0, -2.0], "f4"))
    header = b"\x0a\x08" + b"\x0a\x01b" + b"\x10\x01" + b"\x1a\x01\x02"
    assert data == b"FFWEIGHT" + b"\x0a\x00\x00\x00" + header + b"\x00\x00\x80\x3f" + b"\x00\x00\x00\xc0"
    specs, vector = unpack_weights(data)
    assert specs == (TensorSpec("b", "float32", (2,)),)
    assert vector.tolist() == [1.0, -2.0]
    assert not vector.flags.writeable


def test_a_weights_file_without_tensors_is_whole():
    assert unpack_weights(pack_weights((), np.zeros(0, "f4")))[0] == ()


@pytest.mark.parametrize(
    ("specs", "vector", "words"),
    [
        ((TensorSpec("b", "float16", (2,)),), np.zeros(2, "f4"), "float32 tensors only"),
        ((BIAS,), np.zeros(2, "f4"), "expected 3 weights"),
        ((BIAS,), np.array([0, np.nan, 0], "f4"), "not finite: the training diverged"),
        ((BIAS,), np.array([0, np.inf, 0], "f4"), "not finite"),
    ],
)
def test_weights_that_cannot_be_packed(specs, vector, words):
    with pytest.raises(WeightsError, match=words):
        pack_weights(specs, vector)


def _file(header: bytes, values: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<8sI", b"FFWEIGHT", len(header) if length is None else length) + header + values


ONE = WeightsHeader(tensors=[Proto(name="b", dtype=DTYPE_FLOAT32, shape=[1])]).SerializeToString()
HALF = WeightsHeader(tensors=[Proto(name="b", dtype=DTYPE_FLOAT16, shape=[1])]).SerializeToString()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin with FFWEIGHT"),
        (b"FFWEIGHT\x00\x00\x00", "does not begin with FFWEIGHT"),
        (b"GGWEIGHT\x00\x00\x00\x00", "does not begin with FFWEIGHT"),
        (_file(ONE, length=len(ONE) + 1), "header is cut short"),
        (_file(b"", length=2**32 - 1), "header is cut short"),
        (_file(b"\xff\xff"), "header cannot be read"),
        (_file(HALF, b"\0\0"), "float32 tensors only"),
        (_file(ONE, b"\0\0\0"), "3 bytes of values, 4 expected"),
        (_file(ONE, b"\0\0\0\0\0"), "5 bytes of values, 4 expected"),
        (_file(ONE, struct.pack("<f", float("nan"))), "not finite"),
        (_file(ONE, struct.pack("<f", float("-inf"))), "not finite"),
    ],
)
def test_a_file_that_is_damaged_says_how(data, words):
    with pytest.raises(WeightsError, match=words):
        unpack_weights(data)


def test_a_header_beyond_its_limit_is_not_parsed():
    with pytest.raises(WeightsError, match="header is cut short"):
        unpack_weights(_file(bytes(16 * 2**20 + 1)))
