"""Whatever bytes come, a decoder returns a value or raises the error that it documents, and nothing else."""

import contextlib
import json

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldfare.core.aggregation import FixedPointSum, MetricTotals, SumBounds
from fieldfare.core.encodings import decode_update
from fieldfare.core.errors import ConfigError, PlanError, ProtocolError, StorageError, UpdateError, WeightsError
from fieldfare.core.metrics import metrics_from_proto
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.core.rounds import open_ticket, seal_ticket
from fieldfare.core.sessions import read_assignment
from fieldfare.core.tasks import (
    AggregationSpec,
    Algorithm,
    AsynchronousSpec,
    LocalTrainingSpec,
    TargetSpec,
    TaskSpec,
    task_spec_from_mapping,
)
from fieldfare.core.weights import specs_from_proto, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2, encoding_pb2, task_pb2, tensors_pb2
from tests.conformance.examples import EXAMPLES, SNAPSHOT, SNAPSHOT_BOUNDS, TICKET, TICKET_KEY, WEIGHTS_FILE
from tests.support.tiny_plan import tiny_manifest, tiny_plan

KEY = bytes(32)
ASSIGNMENT = EXAMPLES["fieldfare.protos.v1.Assignment"].SerializeToString()
TASK = TaskSpec(
    "n",
    "p",
    local=LocalTrainingSpec(learning_rate=0.5),
    aggregation=AggregationSpec(Algorithm.FEDBUFF, max_norm=3.0, clip_norm=2.0),
    target=TargetSpec("loss", 0.5, lower_is_better=True),
    asynchronous=AsynchronousSpec(concurrency=3),
)
TASK_BYTES = TASK.to_proto().SerializeToString()
BOUNDS = SumBounds(1.0, 10, 10)


@st.composite
def mutated(draw, original: bytes) -> bytes:
    """`original` with a few bytes overwritten, removed, doubled or cut off."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
            case 1:
                del data[at : at + draw(st.integers(1, 8))]
            case 2:
                data[at:at] = data[at : at + draw(st.integers(1, 8))]
            case _:
                del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


def holds(documented: type[Exception], decode, *arguments, **keywords) -> None:
    with contextlib.suppress(documented):
        decode(*arguments, **keywords)


def parsed(kind, data: bytes):
    """A message from damaged bytes, or None where protobuf itself refuses them, before our code sees it."""
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


@given(st.binary() | mutated(WEIGHTS_FILE) | st.binary().map(lambda tail: b"FFWEIGHT" + tail))
def test_weights_files(data):
    holds(WeightsError, unpack_weights, data)


@given(st.binary() | mutated(SNAPSHOT) | st.binary().map(lambda tail: b"FFSNAPSH\x01\0\0\0" + tail))
def test_snapshots(data):
    holds(StorageError, FixedPointSum.from_bytes, data, SNAPSHOT_BOUNDS)


@given(st.binary() | mutated(tiny_manifest().to_bytes()))
def test_manifests(data):
    holds(PlanError, Manifest.from_bytes, data)


@given(st.binary() | st.binary().map(lambda tail: b"\x1c\0\0\0TFL3" + tail))
def test_files_that_are_no_plans(data):
    with pytest.raises(PlanError):
        read_manifest(data)


@settings(max_examples=200)
@given(st.data())
def test_plans(data):
    plan = tiny_plan()
    damaged = data.draw(mutated(plan))
    if damaged != plan:
        with pytest.raises(PlanError):
            read_manifest(damaged)


def test_a_plan_cut_at_any_length():
    plan = tiny_plan()
    for length in range(0, len(plan), 37):
        with pytest.raises(PlanError):
            read_manifest(plan[:length])


@given(st.binary() | mutated(TICKET))
def test_tickets(data):
    if data != TICKET:
        with pytest.raises(ProtocolError):
            open_ticket(TICKET_KEY, data)


def test_the_untouched_ticket_opens():
    assert seal_ticket(TICKET_KEY, open_ticket(TICKET_KEY, TICKET)) == TICKET


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.text() | json_values.map(json.dumps))
def test_metric_totals(text):
    with contextlib.suppress(StorageError):
        MetricTotals.from_json(text).sums()


@given(st.binary(max_size=40), st.binary(max_size=12), st.integers(0, 10), st.floats())
def test_updates(payload, encoding_bytes, size, bound):
    encoding = parsed(encoding_pb2.Encoding, encoding_bytes) or encoding_pb2.Encoding()
    holds(UpdateError, decode_update, encoding, payload, size, max_abs_value=bound)


@settings(max_examples=300)
@given(st.binary() | mutated(ASSIGNMENT))
def test_assignments(data):
    proto = parsed(aggregator_pb2.Assignment, data)
    if proto is not None:
        holds(ProtocolError, read_assignment, proto)


@settings(max_examples=300)
@given(st.binary() | mutated(TASK_BYTES))
def test_task_specs_from_the_wire(data):
    proto = parsed(task_pb2.TaskSpec, data)
    if proto is not None:
        holds(ConfigError, TaskSpec.from_proto, proto)


def test_the_untouched_task_is_read():
    assert TaskSpec.from_proto(task_pb2.TaskSpec.FromString(TASK_BYTES)) == TASK


task_keys = st.sampled_from([*task_pb2.TaskSpec.DESCRIPTOR.fields_by_name, "goal_count", "metric", "value", "epochs"])
toml_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(task_keys | st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=300)
@given(st.dictionaries(task_keys | st.text(max_size=4), toml_values, max_size=5))
def test_task_specs_from_toml(mapping):
    with contextlib.suppress(ConfigError):
        task_spec_from_mapping({"name": "n", "population": "p", **mapping})


@given(st.binary())
def test_tensor_specs_and_metrics(data):
    header = parsed(tensors_pb2.WeightsHeader, data)
    if header is not None:
        holds(WeightsError, specs_from_proto, header.tensors)
    report = parsed(aggregator_pb2.ReportHeader, data)
    if report is not None:
        holds(UpdateError, metrics_from_proto, report.metrics)
