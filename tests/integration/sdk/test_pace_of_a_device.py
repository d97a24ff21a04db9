"""Coming back when it is time, over restarts, with a real server; and a clock that jumps while a round runs."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.sessions import Ended
from fieldfare.protos.v1 import aggregator_pb2
from tests.support.device_bench import Bench
from tests.support.set_clock import SetClock

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def test_once_more_is_too_early(bench: Bench, clock: SetClock) -> None:
    """As with a timer that fires every quarter of an hour: each run is a process of its own."""
    settings = {"clock": clock, "now": lambda: NOON, "min_separation": HOUR}
    bench.offer()
    bench.offer()
    assert bench.once(**settings).ended is Ended.COUNTED
    clock.at += 900
    rest = bench.once(**settings)
    assert (rest.ended, rest.come_back_after) == (Ended.IDLE, timedelta(minutes=45))
    assert rest.detail == "the device took part a short while ago"
    assert len(bench.aggregator.check_ins) == 1
    clock.at += 2700
    assert bench.once(**settings).ended is Ended.COUNTED


def test_a_kept_report_is_settled_all_the_same(bench: Bench, clock: SetClock) -> None:
    settings = {"clock": clock, "min_separation": HOUR}
    bench.offer()
    # Accepted before the cut, and the receipt was lost: all that the device knows is that nobody answered.
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_PENDING)
    with bench.device(**settings, on_wait=lambda *_: bench.aggregator.stop()) as device:
        assert device.run_once().ended is Ended.UNREACHABLE
    bench.aggregator.start()
    clock.at += 60
    settled = bench.once(**settings)
    assert (settled.ended, settled.assignment) == (Ended.COUNTED, None)
    bench.offer()
    assert bench.once(**settings).detail == "the device took part a short while ago"


def test_the_aggregators_window_holds_for_the_next_process(bench: Bench, clock: SetClock) -> None:
    bench.aggregator.come_back_after = 3 * HOUR
    assert bench.once(clock=clock).come_back_after == 3 * HOUR
    clock.at += 3600
    later = bench.once(clock=clock)
    assert (later.ended, later.come_back_after) == (Ended.IDLE, 2 * HOUR)
    assert later.detail == "it is not yet time to come back"
    assert len(bench.aggregator.check_ins) == 1
    with bench.device(clock=clock) as device:
        assert device.run_once(early=True).detail == "no task"
    assert len(bench.aggregator.check_ins) == 2


@pytest.mark.parametrize("jump", [timedelta(days=365), timedelta(days=-365)])
def test_a_clock_that_jumps_in_a_round_does_it_no_harm(bench: Bench, jump: timedelta) -> None:
    bench.offer(report_within=Duration(seconds=60))
    times = iter([NOON] * 4)

    def wall() -> datetime:
        return next(times, NOON + jump)

    assert bench.once(now=wall).ended is Ended.COUNTED
    assert bench.aggregator.reports[0].header.outcome == aggregator_pb2.OUTCOME_DONE


def test_time_to_report_runs_out_on_the_clock_that_nobody_sets(bench: Bench, clock: SetClock) -> None:
    bench.offer()

    class Slow:
        """The clock stands still but while examples are read."""

        specs = bench.store.specs

        def training(self, limit=None):
            clock.at += 300
            return bench.store.training(limit)

        def held_out(self):
            return bench.store.held_out()

    gone = bench.once(clock=clock, store=Slow(), now=lambda: NOON)
    assert (gone.ended, gone.detail) == (Ended.WITHDRAWN, "the time to report is over")
