"""Check-ins that are held open, over real gRPC."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.sessions import Ended, Participation
from fieldfare.core.tasks import CohortSpec, TaskAction, TaskSpec
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import Device as SdkDevice
from fieldfare.sdk import ExampleStore
from tests.integration.aggregator.fleet import ACCEPTED, Device, connect
from tests.support.fleet_threads import wait_until
from tests.unit.aggregator.world import CAPABILITIES, PLAN, SPECS

COHORT = CohortSpec(2, 2, 1.0)
SPEC = TaskSpec("t", "p", rounds=3, training=COHORT, evaluation=COHORT, evaluate_every=0)
# Who is told to come back would not be seen again in this test's time.
SETTINGS = ServerSettings(pace=PaceSettings(shortest=timedelta(hours=1)))


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    with Aggregator(tmp_path / "state", settings=SETTINGS) as running:
        yield running


@pytest.fixture
def fleet(aggregator: Aggregator) -> list[Device]:
    """Three devices; the first two are at work."""
    with AdminClient(aggregator.admin_address) as admin:
        admin.submit(PLAN, SPEC, weights=np.array([1, 2, 3], np.float32))
    fleet = [Device(index, connect(aggregator.address)) for index in range(3)]
    assert all(device.check_in() is not None for device in fleet[:2])
    return fleet


def hold(device: Device, wait_s: float = 60, timeout_s: float = 60) -> grpc.Future:
    request = aggregator_pb2.CheckInRequest(population="p", device_id=device.id, capabilities=CAPABILITIES)
    request.wait.FromTimedelta(timedelta(seconds=wait_s))
    return device.stub.CheckIn.future(request, timeout=timeout_s)


def test_a_held_device_is_in_the_next_round_at_once(aggregator: Aggregator, fleet: list[Device]) -> None:
    call = hold(fleet[2])
    wait_until(lambda: aggregator.waiting == 1, "the call to be held")
    with ThreadPoolExecutor(2) as threads:
        receipts = list(threads.map(Device.report, fleet[:2]))
    assert {one.status for one in receipts} == {ACCEPTED}
    # The fleet may wait in the call, so it goes on at once.
    assert all(one.come_back_after.ToTimedelta() < timedelta(seconds=1) for one in receipts)
    assert call.result(20).assignment.round_number == 2
    assert aggregator.waiting == 0


def test_a_device_that_vanishes_takes_no_place(aggregator: Aggregator, fleet: list[Device]) -> None:
    call = hold(fleet[2])
    wait_until(lambda: aggregator.waiting == 1, "the call to be held")
    call.cancel()
    wait_until(lambda: aggregator.waiting == 0, "the call to be given up")
    for device in fleet[:2]:
        threading.Thread(target=device.report).start()
    with AdminClient(aggregator.admin_address) as admin:
        wait_until(lambda: admin.show("t").rounds_committed == 1, "the round")
        assert admin.show("t", 1).rounds[0].assigned == 0


def test_a_wait_ends_in_time(fleet: list[Device]) -> None:
    answer = hold(fleet[2], wait_s=0.2).result(20)
    assert answer.come_back.after.ToTimedelta() < timedelta(seconds=1)
    # A deadline that leaves no time to hold the call, and a device that cannot hold it.
    for wait_s, timeout_s in ((60.0, 1.5), (0.0, 60.0)):
        answer = hold(fleet[2], wait_s, timeout_s).result(20)
        assert answer.come_back.after.ToTimedelta() >= timedelta(minutes=30)


def test_who_waits_is_answered_when_the_task_is_cancelled(aggregator: Aggregator, fleet: list[Device]) -> None:
    call = hold(fleet[2])
    wait_until(lambda: aggregator.waiting == 1, "the call to be held")
    with AdminClient(aggregator.admin_address) as admin:
        admin.control("t", TaskAction.CANCEL)
    assert call.result(20).come_back.after.ToTimedelta() >= timedelta(minutes=30)


def test_who_waits_is_answered_at_the_end(tmp_path: Path) -> None:
    settings = replace(SETTINGS, limits=replace(SETTINGS.limits, shutdown_grace=timedelta(seconds=20)))
    with Aggregator(tmp_path / "state", settings=settings) as aggregator:
        with AdminClient(aggregator.admin_address) as admin:
            admin.submit(PLAN, replace(SPEC, training=replace(COHORT, goal_count=2)), weights=np.zeros(3, np.float32))
        fleet = [Device(index, connect(aggregator.address)) for index in range(3)]
        assert all(device.check_in() is not None for device in fleet[:2])
        call = hold(fleet[2])
        wait_until(lambda: aggregator.waiting == 1, "the call to be held")
    assert call.result(0).WhichOneof("answer") == "come_back"


def test_a_device_of_the_sdk_waits_and_can_be_stopped(
    aggregator: Aggregator, fleet: list[Device], tmp_path: Path
) -> None:
    stop, told = threading.Event(), list[Participation]()
    with (
        ExampleStore.create(tmp_path / "s.db", SPECS) as store,
        SdkDevice(tmp_path / "d", aggregator=aggregator.address, population="p", store=store) as device,
    ):
        thread = threading.Thread(target=device.run_forever, args=(stop, told.append))
        thread.start()
        wait_until(lambda: aggregator.waiting == 1, "the device to wait")
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
        assert not told
        wait_until(lambda: aggregator.waiting == 0, "the call to be given up")
        # Alone, one participation does not wait unless it is asked to.
        assert device.run_once().ended is Ended.IDLE
