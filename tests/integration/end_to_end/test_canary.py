"""The first promise: raw data never leaves the device. Canaries are planted, and all that can be read is searched.

What is searched: each byte of the connections in both directions, as plain text and taken out of TLS, the DATA of their
HTTP/2 streams put together, their headers, what is packed in any of it, the aggregator's folder all through the run,
and every log record of Fieldfare.
"""

import gzip
import logging
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import grpc
import hpack
import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from fieldfare.aggregator import AdminClient
from fieldfare.core.encodings import FLOAT32
from fieldfare.core.metrics import MetricSum, metrics_to_proto
from fieldfare.core.plans import Manifest
from fieldfare.core.tasks import AggregationSpec, Algorithm, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import specs_to_proto
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc, task_pb2
from fieldfare.sdk import ExampleStore, Ledger, Personal
from fieldfare.sdk.ledger import LedgerKind
from tests.support.canaries import Needles, needles
from tests.support.canary_wire import Wire, plain_wire, tls_wire
from tests.support.fleet_threads import Member, running, wait_until
from tests.support.recording_proxy import headers

keras = pytest.importorskip("keras")

DEVICES = 3
ROWS = 24
SENTENCE = "the patient of bed {:02d} asked for nurse {:04d} at night"
NOTE_BYTES = 52
COHORT = CohortSpec(DEVICES, DEVICES, 1.0, timedelta(seconds=60), timedelta(seconds=60))
WIRES = {"plain": plain_wire, "tls": tls_wire}


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


@pytest.fixture
def wire(request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Wire]:
    caplog.set_level(logging.DEBUG, logger="fieldfare")
    with WIRES[getattr(request, "param", "plain")](tmp_path) as made:
        yield made


@pytest.fixture
def members(wire: Wire, plan: tuple[Path, Manifest], tmp_path: Path) -> Iterator[list[Member]]:
    with ExitStack() as stack:
        found = []
        for index in range(DEVICES):
            path = tmp_path / f"{index}.db"
            store = stack.enter_context(ExampleStore.create(path, plan[1].example_specs, held_out_share=0.25))
            store.add_many(planted(index))
            member = Member(tmp_path / f"device-{index}", store, wire.address, index, tls_ca=wire.ca)
            member.enrollment_key = wire.key("wards")
            member.personal = Personal(always=True)
            found.append(member)
        yield found


def canaries_of(members: list[Member]) -> Needles:
    found: Needles = {}
    for index, member in enumerate(members):
        found |= needles(member.store.training(), f"device {index} training")
        found |= needles(member.store.held_out(), f"device {index} held out")
    return found


def spec(name: str, algorithm: Algorithm) -> TaskSpec:
    aggregation = AggregationSpec(algorithm)
    # Metrics around training too, where there is training.
    local = LocalTrainingSpec(local_metrics=algorithm is not Algorithm.DSGD)
    return TaskSpec(name, "wards", rounds=2, training=COHORT, evaluation=COHORT, local=local, aggregation=aggregation)


@pytest.mark.parametrize("wire", WIRES, indirect=True)
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
        # And every device has had weights of its own, which no message is for.
        wait_until(lambda: all((one.folder / "personal").is_file() for one in members), "weights of its own")
    wanted = canaries_of(members)
    haystacks = wire.haystacks(caplog.text)
    assert len(wanted) > 10_000
    assert len(caplog.records) > 10
    assert any(name.startswith("state: fieldfare.db") for name in haystacks)
    assert any(name.startswith("state: blobs/") for name in haystacks)
    assert b"/fieldfare.protos.v1.Aggregator/Report" in haystacks["connection 0 up, headers"]
    assert wire.found(wanted, caplog.text) == []

    sent = wire.plain.sent_messages()
    with ExitStack() as stack:
        ledgers = [stack.enter_context(Ledger.open(one.folder / "ledger.db", create=False)) for one in members]
        assert sum(one.total_bytes() for one in ledgers) == sum(map(len, sent))
        assert all(one.verify() is None for one in ledgers)
        kinds = {LedgerKind.ENROLL} if wire.ca else set()
        assert kinds <= set(ledgers[0].totals())
    if wire.outside is not None:
        # TLS it was, and it was taken apart.
        assert b"PRI * HTTP/2.0" in wire.plain.up()
        assert b"PRI * HTTP/2.0" not in wire.outside.up()
        assert len(wire.outside.up()) > sum(map(len, sent))


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


def leak_as_big_endian_integers(plan, given, examples):
    data = bytes(11) + examples["visit"][4].astype(">i4").tobytes() + bytes(9)
    return [aggregator_pb2.ReportRequest(header=header(plan, given)), aggregator_pb2.ReportRequest(data=data)]


def leak_as_a_count(plan, given, examples):
    """A whole number in a field of protobuf."""
    return [aggregator_pb2.ReportRequest(header=header(plan, given, example_count=int(examples["visit"][0, 1])))]


def leak_as_utf_16(plan, given, examples):
    data = examples["note"][2].tobytes().decode().encode("utf-16")
    return [aggregator_pb2.ReportRequest(header=header(plan, given)), aggregator_pb2.ReportRequest(data=data)]


def leak_as_json(plan, given, examples):
    text = repr(examples["reading"][5].tolist())
    return [aggregator_pb2.ReportRequest(header=header(plan, given, metrics=metrics_to_proto({text: MetricSum(1, 1)})))]


def leak_as_gzip(plan, given, examples):
    data = bytes(7) + gzip.compress(b"once " + examples["note"][6].tobytes()) + bytes(99)
    return [aggregator_pb2.ReportRequest(header=header(plan, given)), aggregator_pb2.ReportRequest(data=data)]


def leak_as_zlib_cut_short(plan, given, examples):
    data = zlib.compress(examples["reading"].tobytes(), 9)[:-20]
    return [aggregator_pb2.ReportRequest(header=header(plan, given)), aggregator_pb2.ReportRequest(data=data)]


LEAKS = [
    leak_in_metric_name,
    leak_in_metric_value,
    leak_in_payload,
    leak_as_float16,
    leak_across_frames,
    leak_as_big_endian_integers,
    leak_as_a_count,
    leak_as_utf_16,
    leak_as_json,
    leak_as_gzip,
    leak_as_zlib_cut_short,
]


def lie(wire: Wire, plan: tuple[Path, Manifest], sends, metadata: tuple[tuple[str, str], ...] = ()) -> None:
    """A device that is no device of ours: it sends what it likes."""
    with AdminClient(wire.aggregator.admin_address) as admin:
        admin.submit(plan[0], spec("weights", Algorithm.FEDAVG))
    with grpc.insecure_channel(wire.address) as channel:
        stub = aggregator_pb2_grpc.AggregatorStub(channel)
        capabilities = aggregator_pb2.Capabilities(protocol_version=1, encoding_stages=["float32"])
        request = aggregator_pb2.CheckInRequest(population="wards", device_id=bytes(16), capabilities=capabilities)
        given = stub.CheckIn(request, timeout=20).assignment
        try:
            stub.Report(iter(sends(given)), timeout=20, metadata=metadata)
        except grpc.RpcError as error:
            assert "without a trailer" in error.details()  # noqa: PT017 - the aggregator has read all of it


@pytest.mark.parametrize("leak", LEAKS, ids=lambda one: one.__name__)
def test_the_search_finds_what_is_sent_on_purpose(
    wire: Wire, members: list[Member], plan: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture, leak
) -> None:
    lie(wire, plan, lambda given: leak(plan[1], given, members[1].store.training()))
    wanted = needles(members[1].store.training(), "device 1 training")
    found = wire.found(wanted, caplog.text)
    assert any(one.startswith("device 1 training") and " up, " in one for one in found), found
    # And nothing that was not sent. The notes have words in common.
    others = {name: array for name, array in members[0].store.training().items() if name != "note"}
    assert wire.found(needles(others, "device 0 training"), caplog.text) == []


def test_the_search_finds_what_is_in_a_header(
    wire: Wire, members: list[Member], plan: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    text = members[1].store.training()["note"][1].tobytes().decode()
    lie(
        wire,
        plan,
        lambda given: [aggregator_pb2.ReportRequest(header=header(plan[1], given))],
        metadata=(("note", text),),
    )
    found = wire.found(needles(members[1].store.training(), "device 1 training"), caplog.text)
    assert any(one.endswith(" in connection 0 up, headers") for one in found)


def test_headers_are_read_though_they_are_packed() -> None:
    """Huffman codes (RFC 7541, 5.2), padding, a priority, and a block in two frames."""
    block = hpack.Encoder().encode([("note", SENTENCE)], huffman=True)
    assert SENTENCE.encode() not in block
    first = b"\x02" + bytes(5) + block[:7] + bytes(2)
    recorded = len(first).to_bytes(3) + b"\x01\x28" + (1).to_bytes(4) + first
    recorded += len(block[7:]).to_bytes(3) + b"\x09\x04" + (1).to_bytes(4) + block[7:]
    assert headers(recorded) == b"note: " + SENTENCE.encode()


@pytest.mark.parametrize("wire", ["tls"], indirect=True)
def test_the_search_finds_what_is_sent_within_tls(
    wire: Wire, members: list[Member], plan: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    """A field that the device does send, with an example in it: its population."""
    text = members[0].store.training()["note"][0].tobytes().decode()
    with ExitStack() as stack:
        members[0].device(stack, text).run_once()
    assert wire.outside is not None
    assert text.encode() not in wire.outside.up()
    found = wire.found(needles(members[0].store.training(), "device 0 training"), caplog.text)
    assert any(one.startswith("device 0 training note row 0 text") and " up, stream " in one for one in found), found


def test_the_search_finds_what_rests_on_the_server(
    wire: Wire, members: list[Member], plan: tuple[Path, Manifest], caplog: pytest.LogCaptureFixture
) -> None:
    identifier = members[0].store.held_out()["visit"][0, 0]
    with AdminClient(wire.aggregator.admin_address) as admin:
        admin.submit(plan[0], spec(f"visit-{identifier}", Algorithm.FEDAVG))
    logging.getLogger("fieldfare.sdk").info("a reading of %s", members[2].store.training()["reading"][0])
    found = wire.found(canaries_of(members), caplog.text)
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
