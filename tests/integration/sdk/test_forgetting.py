"""A user deletes the examples: what the device has made from them goes too, and what it has told others stays told."""

import threading

import pytest

from fieldfare.core.errors import StateError
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import Algorithm
from fieldfare.protos.v1 import aggregator_pb2
from tests.support.device_bench import Bench


def test_a_kept_report_and_control_variates_are_forgotten_and_the_ledger_is_not(bench: Bench) -> None:
    bench.offer(algorithm=Algorithm.SCAFFOLD.value)
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_PENDING)
    stop = threading.Event()
    with bench.device(on_wait=lambda *_: stop.set()) as device:
        assert device.run_once(stop).ended is Ended.STOPPED
        assert (bench.folder / "outbox").is_file()
        assert list((bench.folder / "controls").iterdir())
        messages = len(device.ledger)
        device.forget()
        assert not (bench.folder / "outbox").exists()
        assert not list((bench.folder / "controls").iterdir())
        assert len(device.ledger) == messages
        device.forget()
    bench.check_ledger()
    # Nothing is left to settle: the next run checks in again.
    bench.offer()
    assert bench.once().ended is Ended.COUNTED
    assert len(bench.aggregator.check_ins) == 2


def test_a_device_that_runs_forgets_nothing(bench: Bench) -> None:
    bench.offer()
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_PENDING)
    refused: list[str] = []

    def forget(*_: object) -> None:
        with pytest.raises(StateError) as told:
            device.forget()
        refused.append(str(told.value))

    with bench.device(on_wait=forget) as device:
        assert device.run_once().ended is Ended.COUNTED
    assert refused == ["this device is running in another thread: stop it, then forget"]
