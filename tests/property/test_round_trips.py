from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fieldfare.core.aggregation import MetricTotals
from fieldfare.core.encodings import FLOAT16, FLOAT32, decode_update, encode_update, encoded_bytes
from fieldfare.core.errors import ProtocolError
from fieldfare.core.metrics import MetricSum, metrics_from_proto, metrics_to_proto
from fieldfare.core.rounds import Ticket, open_ticket, seal_ticket
from fieldfare.core.tasks import TaskSpec
from fieldfare.core.weights import TensorSpec, join_tensors, pack_weights, split_vector, unpack_weights
from fieldfare.protos.v1 import task_pb2
from tests.property.strategies import task_specs

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@given(st.dictionaries(st.text(min_size=1, max_size=20), shapes, max_size=4), st.data())
def test_weights_file(tensors, data):
    specs = tuple(TensorSpec(name, "float32", shape) for name, shape in tensors.items())
    arrays = {spec.name: data.draw(npst.arrays("f4", spec.shape, elements=finite)) for spec in specs}
    vector = join_tensors(specs, arrays)
    packed = pack_weights(specs, vector)
    read_specs, read = unpack_weights(packed)
    assert read_specs == specs
    assert read.tobytes() == vector.tobytes()
    assert pack_weights(read_specs, read) == packed
    for name, array in split_vector(specs, read).items():
        assert array.tobytes() == arrays[name].tobytes()


@given(npst.arrays("f4", st.integers(0, 50), elements=finite))
def test_float32_is_lossless(vector):
    payload = encode_update(FLOAT32, vector)
    assert len(payload) == encoded_bytes(FLOAT32, vector.size)
    assert decode_update(FLOAT32, payload, vector.size, max_abs_value=4e38).tobytes() == vector.tobytes()


@given(npst.arrays("f4", st.integers(0, 50), elements=st.floats(-65504, 65504, width=32)))
def test_float16_is_off_by_half_a_unit_at_most_and_stable(vector):
    payload = encode_update(FLOAT16, vector)
    assert len(payload) == encoded_bytes(FLOAT16, vector.size)
    decoded = decode_update(FLOAT16, payload, vector.size, max_abs_value=65504)
    assert (np.abs(decoded - vector) <= np.maximum(np.abs(vector) * 2.0**-11, 2.0**-25)).all()
    assert encode_update(FLOAT16, decoded) == payload


tickets = st.builds(
    Ticket,
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(st.binary(min_size=32, max_size=32), tickets, st.data())
def test_tickets_come_back_and_a_flipped_bit_does_not(key, ticket, data):
    sealed = seal_ticket(key, ticket)
    assert open_ticket(key, sealed) == ticket
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    forged = bytearray(sealed)
    forged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolError):
        open_ticket(key, bytes(forged))


@given(task_specs())
def test_task_specs(spec):
    wire = spec.to_proto().SerializeToString(deterministic=True)
    again = TaskSpec.from_proto(task_pb2.TaskSpec.FromString(wire))
    assert again == spec
    assert again.to_proto().SerializeToString(deterministic=True) == wire


metric_sums = st.builds(MetricSum, st.floats(-1e30, 1e30), st.floats(1e-6, 1e30))
metrics = st.dictionaries(st.text(min_size=1, max_size=10), metric_sums, max_size=3)


@given(metrics)
def test_metrics(sums):
    assert metrics_from_proto(metrics_to_proto(sums)) == sums


@given(st.lists(metrics, max_size=8), st.randoms(use_true_random=False))
def test_metric_totals_do_not_depend_on_order_or_replicas(parts, random):
    straight, shuffled, halves = MetricTotals(), list(parts), [MetricTotals(), MetricTotals()]
    random.shuffle(shuffled)
    for one in parts:
        straight.add(one)
    for at, one in enumerate(shuffled):
        halves[at % 2].add(one)
    merged = MetricTotals.from_json(halves[0].to_json())
    merged.merge(MetricTotals.from_json(halves[1].to_json()))
    assert merged.to_json() == straight.to_json()
    assert merged.sums() == straight.sums()
    assert all(one.weight > 0 for one in merged.sums().values())
