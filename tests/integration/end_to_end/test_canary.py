"""The first promise: raw data never leaves the device. Canaries are planted, and all that can be read is searched.

What is searched: each byte of the connections in both directions, the DATA of their HTTP/2 streams put together, the
aggregator's folder all through the run, and every log record of Fieldfare. Headers are compressed on the wire, so they
are held to a size instead.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.encodings import FLOAT32
from fieldfare.core.metrics import MetricSum, metrics_to_proto
from fieldfare.core.plans import Manifest
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import AggregationSpec, Algorithm, CohortSpec, TaskSpec
from fieldfare.core.weights import specs_to_proto
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc, task_pb2
from fieldfare.sdk import ExampleStore, Ledger
from tests.support.canaries import Needles, needles, search
from tests.support.fleet_threads import Member, running, wait_until
from tests.support.recording_proxy import RecordingProxy, bodies, header_bytes

keras = pytest.importorskip("keras")

DEVICES = 3
ROWS = 24
SENTENCE = "the patient of bed {:02d} asked for nurse {:04d} at night"
NOTE_BYTES = 52
PACE = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=200)))
COHORT = CohortSpec(DEVICES, DEVICES, 1.0, timedelta(seconds=60), timedelta(seconds=60))
LONGEST_HEADERS = 400


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    from fieldfare.converters import export_keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    reading = keras.Input((4,), name="reading")
    visit = keras.Input((2,), name="visit", dtype="int32")
    note = keras.Input((NOTE_BYTES,), name="note", dtype="uint8")
    inputs = [reading, layers.Rescaling(1e-9)(visit), layers.Rescaling(1 / 255)(note)]
    hidden = layers.Dense(5, activation="tanh")(layers.Concatenate()(inputs))
    model = keras.Model([reading, visit, note], layers.Dense(1)(hidden), name="canary")
    path = tmp_path_factory.mktemp("canary") / "plan.tflite"
    settings = {"loss": "mean_squared_error", "optimizer": "sgd", "metrics": ["mean_absolute_error"]}
    return path, export_keras(model, path, batch_size=4, learning_rate=0.05, gradients=True, **settings)


def planted(device: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng([7712, device])
    notes = [SENTENCE.format(device * ROWS + row, 7000 + device * ROWS + row).encode() for row in range(ROWS)]
    return {
        "reading": chance.uniform(0.7, 1.9, (ROWS, 4)).astype(np.float32),
        "visit": chance.integers(1_100_000_000, 2_100_000_000, (ROWS, 2)).astype(np.int32),
        "note": np.array([list(one[:NOTE_BYTES].ljust(NOTE_BYTES)) for one in notes], np.uint8),
        "label": chance.uniform(-1.9, -0.7, (ROWS, 1)).astype(np.float32),
    }


@dataclass
class Folder:
    """Everything that was ever seen in the files of a folder."""

    path: Path
    seen: dict[str, bytes] = field(default_factory=dict)

    def look(self) -> None:
        # os.walk passes over folders that the aggregator removes meanwhile; rglob raises there.
        for file in (Path(folder) / name for folder, _, names in os.walk(self.path) for name in names):
            try:
                content = file.read_bytes() if file.is_file() else b""
            except FileNotFoundError:
                continue  # a snapshot that was committed in this moment
            self.seen[f"{file.relative_to(self.path)} {hashlib.sha256(content).hexdigest()[:8]}"] = content


@dataclass
class Wire:
    """An aggregator behind a proxy that records."""

    aggregator: Aggregator
    proxy: RecordingProxy
    state: Folder

    def haystacks(self, logs: str) -> dict[str, bytes]:
        found = {"logs": logs.encode()}
        for number, connection in enumerate(self.proxy.connections):
            for direction, content in (("up", connection.up), ("down", connection.down)):
                found[f"connection {number} {direction}, raw"] = bytes(content)
                for stream, body in bodies(bytes(content)).items():
                    found[f"connection {number} {direction}, stream {stream}"] = body
        self.state.look()
        return found | {f"state: {name}": content for name, content in self.state.seen.items()}


@pytest.fixture
def wire(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Wire]:
    caplog.set_level(logging.DEBUG, logger="fieldfare")
    with (
        Aggregator(tmp_path / "state", settings=PACE) as aggregator,
        RecordingProxy(aggregator.address) as proxy,
    ):
        yield Wire(aggregator, proxy, Folder(tmp_path / "state"))


@pytest.fixture
def members(wire: Wire, plan: tuple[Path, Manifest], tmp_path: Path) -> Iterator[list[Member]]:
    with ExitStack() as stack:
        found = []
        for index in range(DEVICES):
            path = tmp_path / f"{index}.db"
            store = stack.enter_context(ExampleStore.create(path, plan[1].example_specs, held_out_share=0.25))
            store.add_many(planted(index))
            found.append(Member(tmp_path / f"device-{index}", store, wire.proxy.address, index))
        yield found


def canaries_of(members: list[Member]) -> Needles:
    found: Needles = {}
    for index, member in enumerate(members):
        found |= needles(member.store.training(), f"device {index} training")
        found |= needles(member.store.held_out(), f"device {index} held out")
    return found


def spec(name: str, algorithm: Algorithm) -> TaskSpec:
    aggregation = AggregationSpec(algorithm)
    return TaskSpec(name, "wards", rounds=2, training=COHORT, evaluation=COHORT, aggregation=aggregation)


def test_no_example_is_in_any_byte_that_left(
    wire: Wire, members: list[Member], plan: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [spec("weights", Algorithm.FEDAVG), spec("gradients", Algorithm.DSGD)]
    with AdminClient(wire.aggregator.admin_address) as admin, running(members, "wards"):
        for one in tasks:
            task = admin.submit(plan[0], one).task_id

            def ended(task: str = task) -> bool:
                wire.state.look()
                return admin.show(task).state == task_pb2.TASK_STATE_COMPLETED

            wait_until(ended, f"the task {one.name}")
        status = admin.show(task, 0)
        assert [one.reported for one in status.rounds] == [DEVICES] * 4
        # Both tasks, training and evaluation: this run had every message that there is in it.
        wait_until(lambda: all(one.counted() == 8 for one in members), "every receipt")
    wanted = canaries_of(members)
    haystacks = wire.haystacks(caplog.text)
    assert len(wanted) > 10_000
    assert len(caplog.records) > 10
    assert any(name.startswith("state: fieldfare.db") for name in haystacks)
    assert any(name.startswith("state: blobs/") for name in haystacks)
    assert search(wanted, haystacks) == []

    sent = wire.proxy.sent_messages()
    with ExitStack() as stack:
        ledgers = [stack.enter_context(Ledger.open(one.folder / "ledger.db", create=False)) for one in members]
        assert sum(one.total_bytes() for one in ledgers) == sum(map(len, sent))
        assert all(one.verify() is None for one in ledgers)
    for connection in wire.proxy.connections:
        sizes = header_bytes(bytes(connection.up))
        assert sizes
        assert max(sizes.values()) < LONGEST_HEADERS


def header(plan: Manifest, assignment: aggregator_pb2.Assignment, **changes: object) -> aggregator_pb2.ReportHeader:
    fields: dict[str, object] = {
        "ticket": assignment.ticket,
        "device_id": bytes(16),
        "outcome": aggregator_pb2.OUTCOME_DONE,
        "example_count": 3,
        "metrics": metrics_to_proto({"loss": MetricSum(1.0, 3)}),
        "tensors": specs_to_proto(plan.weight_specs),
        "encoding": FLOAT32,
        "payload_bytes": 4 * sum(one.size for one in plan.weight_specs),
    }
    return aggregator_pb2.ReportHeader(**(fields | changes))


def leak_in_metric_name(plan, given, examples):
    text = repr(examples["reading"][0, 0].item())
    return [aggregator_pb2.ReportRequest(header=header(plan, given, metrics=metrics_to_proto({text: MetricSum(1, 1)})))]


def leak_in_metric_value(plan, given, examples):
    value = MetricSum(float(examples["label"][0, 0]), 1)
    return [aggregator_pb2.ReportRequest(header=header(plan, given, metrics=metrics_to_proto({"loss": value})))]


def leak_in_payload(plan, given, examples):
    data = np.concatenate([np.zeros(3), examples["reading"][1], np.zeros(9)]).astype("<f4").tobytes()
    return [aggregator_pb2.ReportRequest(header=header(plan, given)), aggregator_pb2.ReportRequest(data=data)]


def leak_as_float16(plan, given, examples):
    data = examples["reading"][2].astype("<f2").tobytes()
    return [aggregator_pb2.ReportRequest(header=header(plan, given)), aggregator_pb2.ReportRequest(data=data)]


def leak_across_frames(plan, given, examples):
    """Longer than a frame, so that a frame's own header may stand in the middle of the text."""
    text = examples["note"][3].tobytes()
    padding = bytes(16_384 - 60)
    return [
        aggregator_pb2.ReportRequest(header=header(plan, given)),
        aggregator_pb2.ReportRequest(data=padding + text + padding),
    ]


LEAKS = [
    leak_in_metric_name,
    leak_in_metric_value,
    leak_in_payload,
    leak_as_float16,
    leak_across_frames,
]


@pytest.mark.parametrize("leak", LEAKS, ids=lambda one: one.__name__)
def test_the_search_finds_what_is_sent_on_purpose(
    wire: Wire, members: list[Member], plan: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture, leak
) -> None:
    with AdminClient(wire.aggregator.admin_address) as admin:
        admin.submit(plan[0], spec("weights", Algorithm.FEDAVG))
    with grpc.insecure_channel(wire.proxy.address) as channel:
        stub = aggregator_pb2_grpc.AggregatorStub(channel)
        capabilities = aggregator_pb2.Capabilities(protocol_version=1, encoding_stages=["float32"])
        request = aggregator_pb2.CheckInRequest(population="wards", device_id=bytes(16), capabilities=capabilities)
        given = stub.CheckIn(request, timeout=20).assignment
        assert search(canaries_of(members), wire.haystacks(caplog.text)) == []
        try:
            stub.Report(iter(leak(plan[1], given, members[1].store.training())), timeout=20)
        except grpc.RpcError as error:
            assert "without a trailer" in error.details()  # noqa: PT017 - the aggregator has read all of it
    found = search(canaries_of(members), wire.haystacks(caplog.text))
    assert any(one.startswith("device 1 training") and " up, " in one for one in found), found


def test_the_search_finds_what_rests_on_the_server(
    wire: Wire, members: list[Member], plan: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    identifier = members[0].store.held_out()["visit"][0, 0]
    with AdminClient(wire.aggregator.admin_address) as admin:
        admin.submit(plan[0], spec(f"visit-{identifier}", Algorithm.FEDAVG))
    logging.getLogger("fieldfare.sdk").info("a reading of %s", members[2].store.training()["reading"][0])
    found = search(canaries_of(members), wire.haystacks(caplog.text))
    assert any(one.startswith("device 0 held out visit row 0 value 0 decimal in state: fieldfare.db") for one in found)
    assert any(one.startswith("device 2 training reading row 0 value") and one.endswith("in logs") for one in found)


ALLOWED = {
    "CheckInRequest": {"population string", "device_id bytes", "capabilities Capabilities", "wait Duration"},
    "Capabilities": {
        "protocol_version uint32",
        "sdk string",
        "runtime string",
        "memory_bytes uint64",
        "encoding_stages repeated string",
        "algorithms repeated Algorithm",
    },
    "FetchArtifactRequest": {"sha256 bytes", "offset uint64", "ticket bytes"},
    "ReportRequest": {"header ReportHeader", "data bytes", "trailer ReportTrailer"},
    "ReportHeader": {
        "ticket bytes",
        "device_id bytes",
        "receipt_only bool",
        "outcome Outcome",
        "example_count uint64",
        "metrics repeated MetricSum",
        "tensors repeated TensorSpec",
        "encoding Encoding",
        "payload_bytes uint64",
    },
    "ReportTrailer": {"sha256 bytes"},
    "MetricSum": {"name string", "sum double", "weight double"},
    "TensorSpec": {"name string", "dtype DType", "shape repeated uint32"},
    "Encoding": {"stages repeated EncodingStage"},
    # How long the device can hold a call open: a setting.
    "Duration": {"seconds int64", "nanos int32"},
    # A key that an administrator made, random bytes, and signatures over them.
    "EnrollRequest": {"key string", "device_id bytes", "public_key bytes", "signature bytes"},
    "RefreshTokenRequest": {"device_id bytes", "time_micros uint64", "signature bytes"},
    "EncodingStage": {"float32 Float32Stage", "float16 Float16Stage"},
    "Float32Stage": set(),
    "Float16Stage": set(),
}
"""Every field that a device can send. Whoever adds one here says that no example is put into it, and why."""


SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def _kind(one: FieldDescriptor) -> str:
    if one.message_type is not None:
        return one.message_type.name
    return one.enum_type.name if one.enum_type is not None else SCALARS[one.type]


def _fields(start: Descriptor, found: dict[str, set[str]]) -> None:
    if start.name in found:
        return
    found[start.name] = {f"{one.name} {'repeated ' if one.is_repeated else ''}{_kind(one)}" for one in start.fields}
    for one in start.fields:
        if one.message_type is not None:
            _fields(one.message_type, found)


def test_every_field_that_a_device_can_send_was_thought_about() -> None:
    service = aggregator_pb2.DESCRIPTOR.services_by_name["Aggregator"]
    requests = {one.name: one.input_type for one in service.methods}
    assert set(requests) == {"CheckIn", "FetchArtifact", "Report", "Enroll", "RefreshToken"}
    found: dict[str, set[str]] = {}
    for one in requests.values():
        _fields(one, found)
    assert found == ALLOWED
