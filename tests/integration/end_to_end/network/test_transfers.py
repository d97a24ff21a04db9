"""Downloads and uploads over lines that break, crawl, fall silent or change bytes."""

import itertools
import random
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.aggregator.settings import EngineSettings, LimitSettings, SecuritySettings
from fieldfare.core.sessions import Ended
from fieldfare.sdk import Device
from fieldfare.sdk.device import DeviceFolder
from tests.integration.end_to_end.network.setting import FEATURES, HASTY, PACE, PIECE, line
from tests.support.certificates import Authority
from tests.support.faults import DOWN, UP, Corrupt, Cut, Delay, Reset, Swallow, Throttle
from tests.support.fleet_threads import wait_until

UPDATE = 4 * (FEATURES + 1)
SOON = timedelta(seconds=2)


def test_downloads_go_on_where_they_broke_and_little_comes_twice(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311
    faults = [[kind(DOWN, chance.randrange(PIECE, 2 * PIECE))] for kind in (Cut, Cut, Reset, Cut, Reset, Cut)]
    with line(tmp_path, faults) as one:
        assert one.once().ended is Ended.COUNTED
        assert one.proxy.struck == [fault for (fault,) in faults]
        wanted = one.plan.stat().st_size + one.checkpoint_bytes
        came = len(one.proxy.down())
        # A cut costs less than one piece, and a reset what the device had not read yet. Heads of frames are far below
        # a hundredth.
        assert came <= 1.01 * wanted + 4 * PIECE + 2 * 2 * PIECE
        offsets = [request.offset for request in one.fetched()]
        assert len(offsets) >= 2 + len(faults)
        assert all(offset % PIECE == 0 for offset in offsets)
        assert sum(offset > 0 for offset in offsets) >= 3
        one.check()


def test_an_upload_is_sent_until_its_receipt_is_there_and_counts_once(tmp_path: Path) -> None:
    # In the payload twice, then before the trailer; then everything arrives, and the receipt is lost.
    faults = [[Cut(UP, UPDATE // 3)], [Reset(UP, UPDATE // 2)], [Cut(UP, UPDATE + 850)], [Swallow(DOWN, 150)]]
    with line(tmp_path, faults, patience=SOON) as one:
        assert one.once().ended is Ended.COUNTED
        assert one.proxy.struck == [fault for (fault,) in faults]
        assert DeviceFolder(one.member.folder).outbox.is_empty
        one.check()


def test_a_byte_that_changes_is_noticed_by_the_digest(tmp_path: Path) -> None:
    """Without TLS, in the middle of the plan, of the checkpoint and of two copies of the update."""
    faults = [[Corrupt(DOWN, 700_000), Corrupt(DOWN, 3_000_000), Corrupt(UP, 500_000), Corrupt(UP, 1_900_000)]]
    with line(tmp_path, faults) as one:
        assert one.once().ended is Ended.COUNTED
        assert len(one.fetched()) == 4
        assert len(one.proxy.up()) > 3 * UPDATE
        one.check()


def test_a_byte_that_changes_is_noticed_by_tls(tmp_path: Path) -> None:
    chance = random.Random(6)  # noqa: S311
    faults = [[Corrupt(direction, chance.randrange(5000, 1_000_000))] for _ in range(4) for direction in (DOWN, UP)]
    with line(tmp_path, faults, authority=Authority(tmp_path)) as one:
        assert one.once().ended is Ended.COUNTED
        # Each that was reached has ended its connection.
        assert len(one.proxy.connections) >= 3
        one.check()


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_connection_that_falls_silent_is_left(tmp_path: Path, direction: str) -> None:
    faults = [[Swallow(direction, after)] for after in (500, 1_000_000)]
    with line(tmp_path, faults, patience=SOON) as one:
        assert one.once().ended is Ended.COUNTED
        assert len(one.proxy.connections) >= 2
        assert one.proxy.struck
        one.check()


def test_a_connection_that_was_forgotten_while_it_was_idle_is_left(tmp_path: Path) -> None:
    with line(tmp_path, patience=timedelta(seconds=1)) as one, ExitStack() as stack:
        device = one.member.device(stack, "others")
        assert device.run_once().ended is Ended.IDLE
        one.proxy.silence()
        assert device.run_once().detail == "no task for population 'others'"
        assert len(one.proxy.connections) == 2


def test_a_slow_link_may_take_its_time(tmp_path: Path) -> None:
    """Longer than the two seconds in which something must move: each of the three transfers takes three."""
    rate = 400_000
    slow = itertools.repeat([Throttle(DOWN, rate), Throttle(UP, rate), Delay(UP, 0.005)])
    settings = replace(PACE, limits=LimitSettings(report_time_limit=timedelta(seconds=1), report_bytes_per_s=100_000))
    settings = replace(settings, engine=EngineSettings(longest_wait=timedelta(seconds=1)))
    with line(tmp_path, slow, patience=SOON, settings=settings) as one:
        one.member.slowest_bytes_per_s = 1e5
        assert one.once().ended is Ended.COUNTED
        assert len(one.proxy.connections) == 1
        one.check()


def test_a_device_waits_for_as_long_as_a_busy_aggregator_asks(tmp_path: Path) -> None:
    security = SecuritySettings(enrollment="off", device_calls_per_s=2.0, device_burst=1)
    told: list[tuple[float, str]] = []

    def note(duration: timedelta, reason: str) -> None:
        told.append((duration.total_seconds(), reason))

    with line(tmp_path, settings=replace(PACE, security=security)) as one:
        member = one.member
        with Device(
            member.folder,
            aggregator=member.address,
            population="p",
            store=member.store,
            seed=member.seed,
            retry=replace(HASTY, longest=timedelta(seconds=2)),
            on_wait=note,
        ) as device:
            assert device.run_once().ended is Ended.COUNTED
        pauses = [seconds for seconds, reason in told if "asks for a pause: this device calls too often" in reason]
        # By itself it would have tried again after 20 ms.
        assert len(pauses) >= 2
        assert all(0.1 < seconds <= 0.5 for seconds in pauses)
        assert len(one.fetched()) == 2 + len(pauses)
        one.check()


def test_a_stop_ends_a_transfer_that_does_not_move(tmp_path: Path) -> None:
    for name, fault in (("down", Swallow(DOWN, 600_000)), ("up", Swallow(UP, 300_000))):
        folder = tmp_path / name
        folder.mkdir()
        with line(folder, [[fault]]) as one, ExitStack() as stack:
            device, stop = one.member.device(stack, "p"), threading.Event()

            def stop_when_silent(one=one, stop=stop) -> None:
                wait_until(lambda: one.proxy.struck, "the silence")
                stop.set()

            helper = threading.Thread(target=stop_when_silent)
            helper.start()
            before = time.monotonic()
            assert device.run_once(stop).ended is Ended.STOPPED
            helper.join()
            # Neither the two minutes without a move nor the half minute of a short call.
            assert time.monotonic() - before < 25
            assert DeviceFolder(one.member.folder).outbox.is_empty is (name == "down")
            assert device.run_once().ended is Ended.COUNTED
            one.check()
