"""A real server over loopback: whole tasks, and every kind of bad report."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.engine import Engine, Event, EventKind, Incoming
from fieldfare.aggregator.settings import EngineSettings, LimitSettings, SecuritySettings
from fieldfare.core.addresses import Address
from fieldfare.core.errors import ConfigError, NotFoundError, ProtocolError, StateError, StorageError, TransportError
from fieldfare.core.plans import read_manifest
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.tasks import CohortSpec, TaskAction, TaskSpec
from fieldfare.core.weights import specs_to_proto, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc, task_pb2, tensors_pb2
from tests.integration.aggregator.fleet import (
    ACCEPTED,
    DUPLICATE,
    INVALID,
    LATE,
    PENDING,
    UNKNOWN,
    Device,
    connect,
    send_damaged,
    update_of,
)
from tests.support.certificates import Authority
from tests.support.fleet_threads import wait_until
from tests.unit.aggregator.world import PLAN, SPECS

COHORT = CohortSpec(3, 2, 1.4)
SPEC = TaskSpec("t", "p", rounds=3, training=COHORT, evaluation=COHORT, evaluate_every=0)
SETTINGS = ServerSettings(
    pace=PaceSettings(shortest=timedelta(seconds=0.1)),
    engine=EngineSettings(receipt_wait=timedelta(seconds=0.05), longest_wait=timedelta(seconds=0.05)),
)
START = np.array([1, 2, 3], np.float32)


@contextmanager
def running(folder: Path, settings: ServerSettings) -> Iterator[tuple[Aggregator, AdminClient]]:
    with (
        Aggregator(folder / "state", settings=settings) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
    ):
        yield aggregator, admin


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    with Aggregator(tmp_path / "state", settings=SETTINGS) as running:
        yield running


@pytest.fixture
def admin(aggregator: Aggregator) -> Iterator[AdminClient]:
    with AdminClient(aggregator.admin_address) as client:
        yield client


@pytest.fixture
def fleet(aggregator: Aggregator, admin: AdminClient) -> list[Device]:
    admin.submit(PLAN, SPEC, weights=START)
    stub = connect(aggregator.address)
    return [Device(index, stub) for index in range(5)]


def test_a_whole_task_comes_out_as_the_exact_weighted_means(tmp_path: Path) -> None:
    spec = replace(SPEC, rounds=3, training=CohortSpec(6, 6, 1.0), evaluation=CohortSpec(6, 6, 1.0), evaluate_every=1)
    # Every round commits at its goal, so a receipt never has to be asked for: the wait is only a bound.
    settings = replace(SETTINGS, engine=EngineSettings(receipt_wait=timedelta(seconds=20)))
    with running(tmp_path, settings) as (aggregator, admin):
        task = admin.submit(PLAN, spec, weights=START).task_id
        stub = connect(aggregator.address)
        devices = [Device(index, stub) for index in range(6)]
        expected = START.astype(np.float64)
        with ThreadPoolExecutor(6) as threads:
            for number in range(1, 7):
                assignments = list(threads.map(Device.wait_for_work, devices))
                assert {one.round_number for one in assignments} == {number}
                content = devices[0].fetch(assignments[0].checkpoint.sha256)
                np.testing.assert_allclose(unpack_weights(content)[1], expected, atol=1e-6)
                assert devices[1].fetch(assignments[1].plan.sha256, offset=100) == PLAN[100:]
                assert {one.status for one in threads.map(Device.report, devices)} == {ACCEPTED}
                if number % 2:
                    updates = [update_of(one.id, number) for one in devices]
                    total = sum(count for _, count in updates)
                    expected += sum(vector.astype(np.float64) * count for vector, count in updates) / total
        status = admin.show(task, 0)
        assert status.reason == "3 rounds done"
        assert [one.reported for one in status.rounds] == [6] * 6
        assert status.rounds[0].bytes_up == 72
        assert status.rounds[0].bytes_down == len(content) + len(PLAN) - 100
        _, weights = unpack_weights(admin.fetch(status.checkpoint))
        np.testing.assert_allclose(weights, expected, atol=1e-6)
        assert admin.fetch(status.plan) == PLAN
        assert devices[0].check_in() is None
        assert {one.ask().status for one in devices[1:]} == {ACCEPTED}


@pytest.mark.slow
def test_initial_weights_are_the_plans_own(admin: AdminClient) -> None:
    from fieldfare.core.plans import PlanRuntime
    from tests.support.tiny_plan import tiny_plan

    plan = tiny_plan()
    status = admin.submit(plan, replace(SPEC, name="own"))
    specs, weights = unpack_weights(admin.fetch(status.checkpoint))
    assert specs == read_manifest(plan).weight_specs
    np.testing.assert_array_equal(weights, PlanRuntime(plan).get_weights())


def test_pending_then_accepted_then_duplicate(fleet: list[Device], admin: AdminClient) -> None:
    first, second = fleet[:2]
    for device in (first, second):
        device.check_in()
    assert first.report().status == PENDING
    assert first.report().status == PENDING
    assert first.ask().status == PENDING
    assert second.ask().status == UNKNOWN
    assert second.report().status in {ACCEPTED, PENDING}
    while (receipt := first.ask()).status == PENDING:
        assert receipt.come_back_after.ToTimedelta() < timedelta(seconds=1)
    assert receipt.status == ACCEPTED
    assert first.report().status == DUPLICATE
    # Neither a question nor a second copy of what is pending is one.
    assert admin.show("t", 0).rounds[0].duplicates == 1


def wait_for_commit(admin: AdminClient) -> None:
    while admin.show("t").rounds_committed == 0:
        pass


def _wrong_tensors(device: Device) -> aggregator_pb2.Receipt:
    header = device.header()
    del header.tensors[:]
    header.tensors.extend(specs_to_proto(SPECS[::-1]))
    return device.send(header, device.payload())


def _unknown_encoding(device: Device) -> aggregator_pb2.Receipt:
    header = device.header()
    header.encoding.stages.add()
    return device.send(header, device.payload())


BAD = {
    "tensors": ("names, dtypes, shapes", _wrong_tensors),
    "encoding": ("encoding", _unknown_encoding),
    "nan": ("NaN", lambda one: one.send(one.header(), np.array([1, np.nan, 0], "<f4").tobytes())),
    "infinite": ("NaN or infinite", lambda one: one.send(one.header(), np.array([1, -np.inf, 0], "<f4").tobytes())),
    "too large": ("beyond 256", lambda one: one.send(one.header(), np.array([1, 257, 0], "<f4").tobytes())),
    "digest": ("digest", send_damaged),
    "short": ("ended after 8 of 12", lambda one: one.send(one.header(), one.payload()[:8])),
    "long": ("more than the announced", lambda one: one.send(one.header(), one.payload() * 1000)),
    "announced length": ("must have 12 bytes", lambda one: one.send(one.header(payload_bytes=2**40), one.payload())),
    "no examples": ("example_count", lambda one: one.send(one.header(example_count=0), one.payload())),
    "too many examples": ("example_count", lambda one: one.send(one.header(example_count=2**63), one.payload())),
    "outcome": ("outcome", lambda one: one.send(one.header(outcome=0), one.payload())),
    "two headers": (
        "data and a trailer",
        lambda one: one.stub.Report(iter([aggregator_pb2.ReportRequest(header=one.header())] * 2), timeout=20),
    ),
}


def test_a_stream_that_breaks_off_may_come_again(fleet: list[Device], admin: AdminClient) -> None:
    devices = fleet[:4]
    for device in devices:
        assert device.check_in() is not None
    with pytest.raises(grpc.RpcError, match="without a trailer: send it again") as error:
        devices[0].send(devices[0].header(), devices[0].payload(), cut=True)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    for device in devices[:3]:
        device.report()
    wait_for_commit(admin)
    committed = admin.show("t", 0).rounds[0]
    assert (committed.reported, committed.refused, committed.assigned) == (3, 0, 4)


def test_a_report_that_comes_damaged_may_come_again(fleet: list[Device], admin: AdminClient) -> None:
    devices = fleet[:3]
    for device in devices:
        assert device.check_in() is not None
    for _ in range(2):
        with pytest.raises(grpc.RpcError, match="does not match its digest: send it again"):
            devices[0].send(devices[0].header(), devices[0].payload(), digest=b"?" * 32)
    for device in devices:
        device.report()
    wait_for_commit(admin)
    committed = admin.show("t", 0).rounds[0]
    assert (committed.reported, committed.refused) == (3, 0)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_report_is_refused_without_effect(fleet: list[Device], admin: AdminClient, kind: str) -> None:
    reason, send = BAD[kind]
    bad, *good = fleet[:4]
    for device in (bad, *good):
        assert device.check_in() is not None
    receipt = send(bad)
    assert receipt.status == INVALID
    assert reason in receipt.detail
    refusals = {one.reason: one.count for one in admin.show("t", 0).rounds[0].refusals}
    assert refusals == {receipt.reason: 1}
    assert bad.send(bad.header(), bad.payload()).status == INVALID
    for device in good:
        device.report()
    wait_for_commit(admin)
    committed = admin.show("t", 0).rounds[0]
    assert (committed.reported, committed.refused, committed.assigned) == (3, 1, 4)
    updates = [update_of(one.id, 1) for one in good]
    mean = sum(vector.astype(np.float64) * count for vector, count in updates) / sum(count for _, count in updates)
    _, weights = unpack_weights(admin.fetch(admin.show("t").checkpoint))
    np.testing.assert_allclose(weights, START + mean, atol=1e-6)


def test_tickets_that_are_not_ones_own(fleet: list[Device], admin: AdminClient) -> None:
    first, second = fleet[:2]
    for device in (first, second):
        device.check_in()
    assert first.assignment is not None
    assert second.assignment is not None
    forged = first.assignment.ticket[:-1] + bytes([first.assignment.ticket[-1] ^ 1])
    for ticket, reason in ((forged, "not one of this aggregator's"), (second.assignment.ticket, "another device's")):
        receipt = first.send(first.header(ticket=ticket), first.payload())
        assert receipt.status == INVALID
        assert reason in receipt.detail
    with pytest.raises(grpc.RpcError, match="not one of this aggregator's"):
        first.fetch(first.assignment.plan.sha256, ticket=forged)
    with pytest.raises(grpc.RpcError, match="in the ticket's task"):
        first.fetch(bytes(32))
    with pytest.raises(grpc.RpcError, match="beyond the artifact"):
        first.fetch(first.assignment.plan.sha256, offset=2**40)
    assert first.fetch(first.assignment.plan.sha256, offset=len(PLAN)) == b""
    # Nobody has lost a place by what others tried.
    assert admin.show("t", 0).rounds[0].refused == 0
    assert second.report().status == PENDING


def test_a_stale_round_is_late(fleet: list[Device], admin: AdminClient) -> None:
    for device in fleet:
        device.check_in()
    for device in fleet[:3]:
        device.report()
    wait_for_commit(admin)
    for receipt in (fleet[3].report(), fleet[3].ask(), fleet[3].report()):
        assert receipt.status == LATE
    # The question is not a report; the counts of a round that is over are written with the next work.
    wait_until(lambda: admin.show("t", 0).rounds[0].late == 2, "the late reports to be counted")


def test_withdrawal_is_accepted_and_frees_the_place(fleet: list[Device], admin: AdminClient) -> None:
    fleet[0].check_in()
    receipt = fleet[0].send(fleet[0].header(outcome=aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES), b"")
    assert receipt.status == ACCEPTED
    assert receipt.come_back_after.ToTimedelta() > timedelta(0)
    assert admin.show("t", 0).rounds[0].withdrawn == 1


def test_calls_that_are_no_protocol(fleet: list[Device]) -> None:
    stub = fleet[0].stub
    with pytest.raises(grpc.RpcError, match="begins with its header"):
        stub.Report(iter([aggregator_pb2.ReportRequest(data=b"x")]), timeout=20)
    with pytest.raises(grpc.RpcError, match="begins with its header"):
        stub.Report(iter([]), timeout=20)
    with pytest.raises(grpc.RpcError, match="16 bytes"):
        stub.CheckIn(aggregator_pb2.CheckInRequest(population="p", device_id=b"short"), timeout=20)
    with pytest.raises(grpc.RpcError, match="RESOURCE_EXHAUSTED"):
        stub.CheckIn(aggregator_pb2.CheckInRequest(population="p" * 3 * 2**20, device_id=bytes(16)), timeout=20)


def test_a_slow_sender_is_cut(tmp_path: Path) -> None:
    settings = replace(SETTINGS, limits=LimitSettings(chunk_time_limit=timedelta(seconds=0.2)))
    with running(tmp_path, settings) as (aggregator, admin):
        admin.submit(PLAN, SPEC, weights=START)
        device = Device(0, connect(aggregator.address))
        device.check_in()
        over = threading.Event()

        def parts() -> Iterator[aggregator_pb2.ReportRequest]:
            yield aggregator_pb2.ReportRequest(header=device.header())
            over.wait(20)

        with pytest.raises(grpc.RpcError, match="took too long"):
            device.stub.Report(parts(), timeout=20)
        over.set()
        assert device.report().status == PENDING


def test_administration(admin: AdminClient, fleet: list[Device]) -> None:
    (listed,) = admin.list()
    assert admin.list("other") == []
    assert admin.show("t").task_id == listed.task_id
    admin.control("t", TaskAction.PAUSE)
    assert fleet[0].check_in() is None
    admin.control("t", TaskAction.RESUME)
    assert fleet[0].check_in() is not None
    admin.control("t", TaskAction.CANCEL)
    with pytest.raises(StateError):
        admin.control("t", TaskAction.RESUME)
    with pytest.raises(NotFoundError):
        admin.show("nope")
    with pytest.raises(NotFoundError):
        admin.fetch(tensors_pb2.ArtifactRef(sha256=bytes(32), size_bytes=3))
    with pytest.raises(ProtocolError):
        admin.fetch(tensors_pb2.ArtifactRef(sha256=listed.plan.sha256, size_bytes=3))
    with pytest.raises(TransportError, match="is `fieldfare serve` running"):
        AdminClient("127.0.0.1:1").list()


def test_a_callback_ends_the_task_early(tmp_path: Path) -> None:
    def observe(event: Event) -> None:
        if event.kind is EventKind.COMMITTED:
            with AdminClient(aggregator.admin_address) as client:
                client.control(event.task_id, TaskAction.CANCEL)
        if event.kind is EventKind.CANCELLED:
            cancelled.set()
        raise RuntimeError("the callback's own")

    cancelled = threading.Event()
    settings = replace(SETTINGS, engine=EngineSettings(receipt_wait=timedelta(seconds=20)))
    aggregator = Aggregator(tmp_path / "state", settings=settings, on_event=observe)
    with aggregator, AdminClient(aggregator.admin_address) as admin, ThreadPoolExecutor(2) as threads:
        task = admin.submit(PLAN, replace(SPEC, training=CohortSpec(2, 2, 1.0)), weights=START).task_id
        devices = [Device(index, connect(aggregator.address)) for index in range(2)]
        for device in devices:
            device.wait_for_work()
        assert {one.status for one in threads.map(Device.report, devices)} == {ACCEPTED}
        assert cancelled.wait(20)
        assert admin.show(task).reason == "by hand"


def test_a_truncated_file_of_ours_is_not_the_callers_mistake(
    tmp_path: Path, admin: AdminClient, fleet: list[Device]
) -> None:
    plan = admin.show("t").plan
    (tmp_path / "state" / "blobs" / "artifacts" / plan.sha256.hex()).write_bytes(PLAN[:100])
    with pytest.raises(TransportError, match=f"ends at 100 of {len(PLAN)} bytes"):
        admin.fetch(plan)


def test_a_submission_whose_caller_hangs_up_is_driven_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()
    submit = Engine.submit

    def slow(self: Engine, incoming: Incoming) -> task_pb2.TaskStatus:
        began.set()
        assert go_on.wait(20)
        return submit(self, incoming)

    monkeypatch.setattr(Engine, "submit", slow)
    # No device ever calls: only the task's own clock can end its first round.
    spec = replace(SPEC, training=replace(COHORT, selection_timeout=timedelta(seconds=1)))
    with running(tmp_path, SETTINGS) as (aggregator, admin), ThreadPoolExecutor(1) as threads:
        answer = threads.submit(admin.submit, PLAN, spec, weights=START)
        assert began.wait(20)
        admin.close()
        assert answer.exception(20) is not None
        # The server hears of it before the thread goes on.
        time.sleep(0.3)
        go_on.set()
        with AdminClient(aggregator.admin_address) as other:
            until = time.monotonic() + 20
            while not (tasks := other.list()) or len(other.show(tasks[0].task_id, 0).rounds) < 2:
                assert time.monotonic() < until
                time.sleep(0.05)


def test_a_task_that_is_too_large(tmp_path: Path) -> None:
    settings = replace(SETTINGS, limits=LimitSettings(max_artifact_bytes=100))
    with running(tmp_path, settings) as (_, admin):
        with pytest.raises(ConfigError, match="takes 100 at the most"):
            admin.submit(PLAN, SPEC, weights=START)
        assert admin.list() == []


def test_addresses_and_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TLS is needed"):
        Aggregator(tmp_path, listen="0.0.0.0:0")
    with pytest.raises(ConfigError, match="to administer from other machines, TLS is needed"):
        Aggregator(tmp_path, admin_listen="0.0.0.0:0")
    with pytest.raises(ConfigError, match="HOST:PORT"):
        Aggregator(tmp_path, listen="127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        aggregator = Aggregator(tmp_path / "state", listen=f"127.0.0.1:{port}")
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is taken"):
            aggregator.start()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        Aggregator(tmp_path / "file").start()
    with Aggregator(tmp_path / "state"), pytest.raises(StorageError, match="another aggregator"):
        Aggregator(tmp_path / "state").start()
    with Aggregator(tmp_path / "state") as again:
        assert again.address


def test_a_start_that_fails_says_why_and_can_be_repeated(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("server")
    settings = ServerSettings(security=SecuritySettings(pair.cert, pair.key))
    with pytest.raises(ConfigError, match=r"cannot listen on a\.\.b:8499: a part of the host's name is empty"):
        Aggregator(tmp_path / "state", listen="a..b:8499", settings=settings).start()
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen, admin = (f"127.0.0.1:{one.getsockname()[1]}" for one in (probe, taken))
        probe.close()
        aggregator = Aggregator(tmp_path / "state", listen=listen, admin_listen=admin)
        with pytest.raises(ConfigError, match="is taken"):
            aggregator.start()
    with aggregator:
        assert aggregator.address == listen


def test_whatever_a_start_raises_comes_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(address: Address) -> None:
        raise RuntimeError(f"no {address.host}")

    monkeypatch.setattr("fieldfare.aggregator.listening.why_not_bound", broken)
    with pytest.raises(RuntimeError, match=r"no 127\.0\.0\.1"):
        Aggregator(tmp_path / "state").start()
    monkeypatch.undo()
    with Aggregator(tmp_path / "state") as again:
        assert again.address


def test_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with the command openssl, which is not installed")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2")
    files = ("-keyout", str(key), "-out", str(cert))
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject]
    subprocess.run(command, check=True, capture_output=True)
    settings = replace(SETTINGS, security=SecuritySettings(cert, key))
    with Aggregator(tmp_path / "state", settings=settings) as aggregator:
        port = aggregator.address.rpartition(":")[2]
        channel = grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(cert.read_bytes()))
        device = Device(0, aggregator_pb2_grpc.AggregatorStub(channel))
        assert device.check_in() is None
        with pytest.raises(grpc.RpcError):
            Device(0, connect(aggregator.address)).check_in()
    with pytest.raises(ConfigError, match="both"):
        SecuritySettings(tls_cert=cert)
    with pytest.raises(ConfigError, match="cannot read"):
        Aggregator(
            tmp_path / "state", settings=replace(settings, security=SecuritySettings(cert, tmp_path / "none.pem"))
        ).start()


def test_closing_flushes_what_may_be_flushed(tmp_path: Path) -> None:
    with running(tmp_path, SETTINGS) as (aggregator, admin):
        admin.submit(PLAN, SPEC, weights=START)
        devices = [Device(index, connect(aggregator.address)) for index in range(2)]
        for device in devices:
            device.check_in()
            device.report()
    with Aggregator(tmp_path / "state", settings=SETTINGS) as aggregator:
        stub = connect(aggregator.address)
        for device in devices:
            device.stub = stub
            assert device.ask().status == ACCEPTED
