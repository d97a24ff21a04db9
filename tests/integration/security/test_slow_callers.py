"""Callers that send or read as slowly as they can are cut, whatever the call."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.aggregator.settings import LimitSettings
from fieldfare.core.tasks import CohortSpec, TaskSpec
from fieldfare.protos.v1 import admin_pb2, aggregator_pb2, tensors_pb2
from tests.integration.aggregator.fleet import Device, connect
from tests.integration.security.callers import refused, serving, with_security
from tests.support.fleet_threads import wait_until
from tests.support.slow_caller import SlowCaller
from tests.unit.aggregator.world import PLAN

DEADLINE_EXCEEDED, CANCELLED_OFF = 4, -1
LIMIT = timedelta(seconds=0.3)
LIMITS = LimitSettings(chunk_time_limit=LIMIT, report_time_limit=timedelta(seconds=2))
COHORT = CohortSpec(2, 2, 2.0)
SPEC = TaskSpec("t", "p", rounds=2, training=COHORT, evaluation=COHORT, evaluate_every=0)
DEVICE, ADMIN = "/fieldfare.protos.v1.Aggregator/", "/fieldfare.protos.v1.Admin/"


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    with serving(tmp_path, with_security(LIMITS, enrollment="off")) as running:
        yield running


def still_serves(aggregator: Aggregator) -> None:
    assert Device(3, connect(aggregator.address)).check_in() is None


@pytest.mark.parametrize("method", ["CheckIn", "Enroll", "RefreshToken", "FetchArtifact", "Report"])
@pytest.mark.parametrize("body", ["nothing", "half a head", "half a message"])
def test_a_request_that_does_not_come(aggregator: Aggregator, method: str, body: str) -> None:
    caller = SlowCaller(aggregator.address, DEVICE + method)
    if body == "half a head":
        caller.trickle(b"\0\0")
    elif body == "half a message":
        caller.begin_message(b"\x0a", announce=100)
    assert caller.wait(10) == DEADLINE_EXCEEDED
    assert "too long" in caller.message
    caller.close()
    still_serves(aggregator)


@pytest.mark.parametrize("method", ["ListTasks", "SubmitTask", "FetchArtifact", "RevokeDevice"])
def test_administration_too(aggregator: Aggregator, method: str) -> None:
    caller = SlowCaller(aggregator.admin_address, ADMIN + method)
    caller.begin_message(b"\x0a", announce=100)
    assert caller.wait(10) == DEADLINE_EXCEEDED
    caller.close()
    with AdminClient(aggregator.admin_address) as admin:
        assert admin.list() == []


@pytest.mark.parametrize("port", ["address", "admin_address"])
@pytest.mark.parametrize(
    "method",
    [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_health_and_reflection_too(aggregator: Aggregator, port: str, method: str) -> None:
    caller = SlowCaller(getattr(aggregator, port), method)
    caller.begin_message(b"\x0a", announce=100)
    assert caller.wait(10) == DEADLINE_EXCEEDED
    caller.close()


def test_bytes_that_trickle_do_not_make_a_message(aggregator: Aggregator) -> None:
    caller = SlowCaller(aggregator.address, DEVICE + "CheckIn")
    caller.begin_message(b"\x0a", announce=1000)
    for _ in range(50):
        if caller.wait(0.05) is not None:
            break
        caller.trickle(b"\x40")
    assert caller.status == DEADLINE_EXCEEDED
    caller.close()


def test_a_submission_that_stops(aggregator: Aggregator) -> None:
    ref = tensors_pb2.ArtifactRef(sha256=bytes(32), size_bytes=10)
    header = admin_pb2.SubmitTaskHeader(spec=SPEC.to_proto(), plan=ref, checkpoint=ref)
    caller = SlowCaller(aggregator.admin_address, ADMIN + "SubmitTask")
    caller.begin_message(admin_pb2.SubmitTaskRequest(header=header).SerializeToString())
    assert caller.wait(10) == DEADLINE_EXCEEDED
    caller.close()


def fetching(aggregator: Aggregator, device: Device, window: int) -> SlowCaller:
    assert device.assignment is not None
    request = aggregator_pb2.FetchArtifactRequest(sha256=device.assignment.plan.sha256, ticket=device.assignment.ticket)
    caller = SlowCaller(aggregator.address, DEVICE + "FetchArtifact", window=window)
    caller.begin_message(request.SerializeToString(), end=True)
    return caller


def with_work(aggregator: Aggregator) -> list[Device]:
    with AdminClient(aggregator.admin_address) as admin:
        admin.submit(PLAN, SPEC, weights=np.zeros(3, np.float32))
    devices = [Device(index, connect(aggregator.address)) for index in range(2)]
    assert all(device.check_in() is not None for device in devices)
    return devices


def test_a_reader_who_does_not_read(aggregator: Aggregator) -> None:
    first, second = with_work(aggregator)
    callers = [fetching(aggregator, first, window=100) for _ in range(4)]
    for caller in callers:
        assert caller.wait(0.7) is None
        assert caller.received == 100
    # As long as those are not read, the device gets no more; others do.
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "4 earlier downloads are not read"):
        first.fetch(first.assignment.plan.sha256)
    assert second.fetch(second.assignment.plan.sha256) == PLAN
    # Who reads after all is told that it was too late.
    callers[0].allow(2**20)
    assert callers[0].wait(10) == DEADLINE_EXCEEDED
    assert "not read in time" in callers[0].message
    # Who leaves is forgotten.
    for caller in callers:
        caller.close()
    wait_until(lambda: can_fetch(first), "the downloads to be forgotten")


def can_fetch(device: Device) -> bool:
    try:
        return device.fetch(device.assignment.plan.sha256) == PLAN
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False


def test_the_age_of_a_connection_ends_what_is_not_read(tmp_path: Path) -> None:
    limits = replace(LIMITS, max_connection_age=timedelta(seconds=0.5), report_time_limit=timedelta(seconds=0.5))
    with serving(tmp_path, with_security(limits, enrollment="off")) as aggregator:
        caller = fetching(aggregator, with_work(aggregator)[0], window=100)
        assert caller.wait(20) == CANCELLED_OFF
        assert caller.received == 100
        caller.close()


def test_who_connects_and_says_nothing_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path, with_security(LIMITS, enrollment="off")) as aggregator:
        host, _, port = aggregator.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as silent:
            began = time.monotonic()
            while silent.recv(65_536):
                assert time.monotonic() - began < 20


def test_idle_connections_are_closed(tmp_path: Path) -> None:
    limits = replace(LIMITS, max_connection_idle=timedelta(seconds=0.3))
    with serving(tmp_path, with_security(limits, enrollment="off")) as aggregator:
        caller = SlowCaller(aggregator.address, DEVICE + "CheckIn")
        request = aggregator_pb2.CheckInRequest(population="p", device_id=bytes(16))
        caller.begin_message(request.SerializeToString(), end=True)
        assert caller.wait(10) == 0
        caller.status = None
        assert caller.wait(20) == CANCELLED_OFF
        caller.close()
