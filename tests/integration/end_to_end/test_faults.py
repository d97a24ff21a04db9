"""Kills and cut connections, with the devices of the SDK: they go on by themselves, and nothing is counted twice."""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import AggregationSpec, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import pack_weights, total_size, unpack_weights
from fieldfare.protos.v1 import aggregator_pb2, task_pb2
from fieldfare.sdk.device import DeviceFolder
from fieldfare.sdk.ledger import LedgerKind
from tests.support.averaging_oracle import Oracle
from tests.support.commands import fieldfare, free_port, started
from tests.support.faults import Cut
from tests.support.fleet_checks import check_against_oracle, committed, make_members, member_ledger
from tests.support.fleet_threads import Member, running, wait_until
from tests.support.recording_proxy import RecordingProxy
from tests.support.scripted_aggregator import ScriptedAggregator
from tests.support.tiny_plan import tiny_manifest, tiny_plan

ROUNDS = 3
KILLS = 5
LARGE = 300_000


def sent(members: Sequence[Member]) -> int:
    """Messages about rounds that have left the devices so far; check-ins go on while nobody answers."""
    count = 0
    for member in members:
        with member_ledger(member) as ledger:
            count += sum(total.messages for kind, total in ledger.totals().items() if kind is not LedgerKind.CHECK_IN)
    return count


@pytest.mark.slow
def test_the_aggregator_is_killed_again_and_again(tmp_path: Path) -> None:
    plan = tmp_path / "plan.tflite"
    plan.write_bytes(tiny_plan(4, 4))
    limit = timedelta(seconds=60)
    spec = TaskSpec(
        "killed",
        "p",
        rounds=ROUNDS,
        training=CohortSpec(4, 2, 1.0, limit, limit),
        evaluation=CohortSpec(4, 2, 1.0, limit, limit),
        local=LocalTrainingSpec(max_examples=64),
        aggregation=AggregationSpec(min_snapshot_updates=2),
    )
    address, admin_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
    serve = (
        "serve", "--state", tmp_path / "state", "--listen", address, "--admin-listen", admin_address,
        "--come-back-s", "0.1",
    )  # fmt: skip
    chance = random.Random(20261122)  # noqa: S311
    task, kills = "", 0
    with ExitStack() as stack:
        members = make_members(tmp_path, 4, address, stack)
        for member in members:
            DeviceFolder(member.folder, create=True).open_ledger().close()
        with running(members, "p"):
            while True:
                with started(*serve) as server, AdminClient(admin_address) as admin:
                    server.wait_for("state in")
                    task = task or admin.submit(plan, spec).task_id
                    enough = sent(members) + chance.randint(1, 9) if kills < KILLS else None
                    status = until_kill_or_end(admin, task, members, enough)
                    if committed(status):
                        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
                        break
                    server.process.kill()
                    server.process.wait()
                    kills += 1
        assert kills == KILLS
        assert status.rounds_committed == ROUNDS
        check_against_oracle(tmp_path / "state", plan, spec, status, weights, members)
    # The devices noticed, went on, and had nothing refused.
    ends = {one.ended for member in members for one in member.participations}
    assert ends <= {Ended.IDLE, Ended.COUNTED, Ended.LATE, Ended.UNREACHABLE}


def until_kill_or_end(
    admin: AdminClient, task: str, members: Sequence[Member], enough: int | None
) -> task_pb2.TaskStatus:
    """Wait for a number of messages, or for the task's end."""

    def due() -> bool:
        return (enough is not None and sent(members) >= enough) or committed(admin.show(task))

    wait_until(due, "the next kill, or the task's end", every_s=0.005)
    return admin.show(task, 0)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[ScriptedAggregator, tuple[str | Path, ...], Path]]:
    """A device's process that was killed after its report had gone out and before any receipt."""
    with ScriptedAggregator() as aggregator, ExitStack() as stack:
        (member,) = make_members(tmp_path, 1, aggregator.address, stack)
        specs = tiny_manifest(features=4).weight_specs
        aggregator.offer(tiny_plan(4, 4), pack_weights(specs, np.zeros(total_size(specs), np.float32)))
        aggregator.hold.set()
        run = (
            "device", "run", "--store", member.store.path, "--folder", member.folder, "--population", "p",
            "--aggregator", aggregator.address, "--seed", "1",
        )  # fmt: skip
        with started(*run) as device:
            assert aggregator.arrived.wait(60)
            assert device.process.poll() is None
            device.process.kill()
            device.process.wait()
        aggregator.hold.clear()
        yield aggregator, run, member.folder


def test_a_device_that_was_killed_before_its_receipt_settles_the_same_report(kept) -> None:
    aggregator, run, folder = kept
    assert not DeviceFolder(folder).outbox.is_empty
    aggregator.receipts.extend([aggregator_pb2.RECEIPT_STATUS_UNKNOWN, aggregator_pb2.RECEIPT_STATUS_ACCEPTED])
    again = fieldfare(*run, "--once")
    assert again.returncode == 0, again.stderr
    assert "the report that was kept is settled: counted" in again.stdout
    first, asked, second = aggregator.reports
    assert asked.header.receipt_only
    assert asked.payload == b""
    assert second.header == first.header
    assert second.payload == first.payload != b""
    assert len(aggregator.check_ins) == 1
    assert DeviceFolder(folder).outbox.is_empty
    with DeviceFolder(folder).open_ledger(create=False) as ledger:
        assert ledger.total_bytes() == aggregator.bytes_in
        assert [one.kind for one in ledger].count(LedgerKind.UPDATE) == 2
        assert ledger.verify() is None


def test_a_report_that_had_been_counted_is_not_sent_again(kept) -> None:
    aggregator, run, folder = kept
    aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_DUPLICATE)
    assert "settled: counted" in fieldfare(*run, "--once").stdout
    assert [one.header.receipt_only for one in aggregator.reports] == [False, True]
    assert DeviceFolder(folder).outbox.is_empty
    assert "idle: no task" in fieldfare(*run, "--once").stdout


def test_an_upload_that_was_cut_is_taken_when_it_comes_again(tmp_path: Path) -> None:
    features = 20_000
    plan = tmp_path / "plan.tflite"
    plan.write_bytes(tiny_plan(4, features))
    limit = timedelta(seconds=10)
    one = CohortSpec(1, 1, 1.0, limit, limit)
    aggregation = AggregationSpec(min_snapshot_updates=1)
    spec = TaskSpec("again", "p", rounds=1, training=one, evaluate_every=0, aggregation=aggregation)
    with (
        ExitStack() as stack,
        Aggregator(tmp_path / "state") as aggregator,
        AdminClient(aggregator.admin_address) as admin,
    ):
        for attempt in range(5):
            task = admin.submit(plan, replace(spec, population=f"p{attempt}")).task_id
            folder = tmp_path / str(attempt)
            folder.mkdir()
            cut = Cut("up", 3000 + 15_000 * attempt)
            proxy = stack.enter_context(RecordingProxy(aggregator.address, faults=([cut], [cut], [cut])))
            members = make_members(folder, 1, proxy.address, stack, features)
            with running(members, f"p{attempt}"):
                wait_until(partial(bool, members[0].participations), "the end of the participation")
            assert len(proxy.struck) == 3
            assert members[0].participations[0].ended is Ended.COUNTED
            assert [one.refused for one in admin.show(task, 0).rounds] == [0]


def test_connections_that_are_cut_in_mid_download_and_mid_upload(tmp_path: Path) -> None:
    plan = tmp_path / "plan.tflite"
    plan.write_bytes(tiny_plan(4, LARGE))
    size = 4 * (LARGE + 1)
    limit = timedelta(seconds=20)
    spec = TaskSpec(
        "cut",
        "p",
        rounds=2,
        training=CohortSpec(3, 3, 1.0, limit, limit),
        evaluate_every=0,
        local=LocalTrainingSpec(max_examples=16),
        aggregation=AggregationSpec(max_abs_value=16.0),
    )
    # Down: the plan and the checkpoint, about as large as an update each. Up: an update.
    faults = (
        [[Cut("down", 200_000)], [Cut("down", size + 400_000)], [Cut("up", size // 3)]],
        [[Cut("up", size // 2)], [Cut("up", size - 1000)], [Cut("down", 50_000)]],
        [[Cut("up", size + 300)], [Cut("up", 700_000)], [Cut("up", 150)]],
    )
    pace = PaceSettings(shortest=timedelta(milliseconds=50), longest=timedelta(milliseconds=200))
    with ExitStack() as stack:
        aggregator = stack.enter_context(Aggregator(tmp_path / "state", settings=ServerSettings(pace=pace)))
        admin = stack.enter_context(AdminClient(aggregator.admin_address))
        proxies = [stack.enter_context(RecordingProxy(aggregator.address, faults=one)) for one in faults]
        members = make_members(tmp_path, 3, "", stack, features=LARGE)
        for member, proxy in zip(members, proxies, strict=True):
            member.address = proxy.address
        task = admin.submit(plan, spec).task_id
        with running(members, "p"):
            wait_until(lambda: committed(admin.show(task)), "the task's end", within_s=120)
        status = admin.show(task, 0)
        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
        assert [one.reported for one in status.rounds] == [3, 3]
        assert all(len(one.struck) >= 2 for one in proxies)
        offsets = [
            aggregator_pb2.FetchArtifactRequest.FromString(message).offset
            for message in proxies[0].sent_messages()
            if is_fetch(message)
        ]
        assert any(offsets), "no download went on where it had been cut"
        check_large(spec, plan, status, weights, members)


def is_fetch(message: bytes) -> bool:
    """By its first field: a digest of 32 bytes."""
    return message.startswith(b"\x0a\x20")


def check_large(spec, plan, status, weights, members) -> None:
    """As the oracle does, in float64 in place of fractions: there are too many weights for those."""
    oracle = Oracle(plan, spec)
    expected = np.zeros_like(weights)
    for one in status.rounds:
        reports = oracle.trained(expected, [(member.store, member.seed) for member in members], one.number)
        total = sum(report.example_count for report in reports)
        mean = sum(report.vector.astype(np.float64) * report.example_count for report in reports) / total
        expected = oracle.step(expected, mean.astype(np.float32))
    # The quantum of the sum is 2**-43 here; counting one device twice would change the mean by a tenth.
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-10)
    assert np.abs(weights).max() > 1e-5
