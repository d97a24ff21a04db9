"""Bounds on how often one device, or one address, may call."""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from fieldfare.aggregator.service.guards import _device
from fieldfare.aggregator.settings import LimitSettings
from fieldfare.protos.v1 import aggregator_pb2, aggregator_pb2_grpc
from tests.integration.aggregator.fleet import UNKNOWN, Device, connect
from tests.integration.security.callers import Caller, refused, serving, with_security
from tests.support.fleet_threads import wait_until

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_device_that_checks_in_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    settings = with_security(enrollment="off", device_calls_per_s=0.5, device_burst=3)
    with serving(tmp_path, settings) as aggregator:
        stub = connect(aggregator.address)
        one, other = Caller(0, stub), Caller(1, stub)
        reasons = [one.check_in().come_back for _ in range(4)]
        assert [answer.reason for answer in reasons[:3]] == ["no task for population 'p'"] * 3
        assert reasons[3].reason == "this device calls too often"
        assert 0 < reasons[3].after.ToTimedelta().total_seconds() <= 2
        assert other.check_in().come_back.reason == "no task for population 'p'"


def test_a_report_beyond_the_rate_is_told_to_come_again(tmp_path: Path) -> None:
    settings = with_security(enrollment="off", device_calls_per_s=0.5, device_burst=1)
    with serving(tmp_path, settings) as aggregator:
        device = Device(0, connect(aggregator.address))
        device.check_in()
        header = aggregator_pb2.ReportHeader(device_id=device.id, ticket=b"x", outcome=aggregator_pb2.OUTCOME_DONE)
        receipt = device.send(header, b"")
        assert receipt.status == UNKNOWN
        assert 0 < receipt.come_back_after.ToTimedelta().total_seconds() <= 2
        # A question must not be answered so: the device would send its whole report again.
        header.receipt_only = True
        with refused(EXHAUSTED, "too often"):
            device.send(header, None)


def test_an_address_is_bounded_unless_it_is_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = with_security(enrollment="off", peer_calls_per_s=0.1, peer_burst=3)
    with serving(tmp_path, settings) as aggregator:
        stub = connect(aggregator.address)
        for index in range(5):
            Caller(index, stub).check_in()
        # A caller on this machine is the only one that a test has: let it look like another.
        monkeypatch.setattr(_device, "peer_address", lambda _: ("192.0.2.1", False))
        for index in range(3):
            Caller(index, stub).check_in()
        with refused(EXHAUSTED, "too many calls from 192.0.2.1") as errors:
            Caller(9, stub).check_in()
        told = dict(errors[0].trailing_metadata())["grpc-retry-pushback-ms"]
        assert 0 < int(told) <= 10_000


def test_failed_enrolments_are_bounded(tmp_path: Path) -> None:
    with serving(tmp_path, with_security(failures_per_min=2)) as aggregator:
        caller = Caller(0, connect(aggregator.address))
        for _ in range(2):
            with refused(grpc.StatusCode.PERMISSION_DENIED, "unknown or has expired"):
                caller.enroll("ffk-guess")
        with refused(EXHAUSTED, "too many failed attempts"):
            caller.enroll("ffk-guess")


def test_calls_at_the_same_time_are_bounded(tmp_path: Path) -> None:
    over = threading.Event()

    def silent() -> Iterator[aggregator_pb2.ReportRequest]:
        over.wait(20)
        yield from ()

    with serving(tmp_path, with_security(LimitSettings(max_calls=2), enrollment="off")) as aggregator:
        stub = connect(aggregator.address)
        held = [stub.Report.future(silent(), timeout=20) for _ in range(3)]
        wait_until(lambda: any(one.done() for one in held), "a call to be refused")
        (refused_one,) = (one for one in held if one.done())
        assert refused_one.code() is EXHAUSTED
        over.set()
        for one in held:
            one.cancel()
        wait_until(lambda: can_call(stub), "room for a call")


def can_call(stub: aggregator_pb2_grpc.AggregatorStub) -> bool:
    try:
        Caller(0, stub).check_in()
    except grpc.RpcError:
        return False
    return True
