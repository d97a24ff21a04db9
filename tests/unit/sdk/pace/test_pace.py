"""The pace with clocks in the test's hands: restarts, and clocks that jump."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldfare.core.errors import ConfigError, StorageError
from fieldfare.core.sessions import Ended, Participation, RetrySettings
from fieldfare.sdk.pace import MachineClock, Moment, Pace, PaceFile, Pacer, elapsed

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
RETRY = RetrySettings(tries=3, first=timedelta(seconds=1), longest=timedelta(minutes=5))


class Machine:
    """Its time goes on only where the test says so, and somebody may set its clock or start it anew."""

    def __init__(self) -> None:
        self.start, self._running, self._wall = "boot 1", 1000.0, NOON

    def seconds(self) -> float:
        return self._running

    def now(self) -> datetime:
        return self._wall

    def passes(self, duration: timedelta) -> None:
        self._running += duration.total_seconds()
        self._wall += duration

    def clock_set(self, by: timedelta) -> None:
        self._wall += by

    def restarts(self, *, off: timedelta = timedelta(0)) -> None:
        self.start, self._running = f"{self.start}'", 5.0
        self._wall += off


@pytest.fixture
def machine() -> Machine:
    return Machine()


def pacer(machine: Machine, path: Path, min_separation: timedelta = HOUR) -> Pacer:
    """As a new process makes it."""
    return Pacer(
        PaceFile(path / "pace.json"),
        machine,
        machine.now,
        min_separation=min_separation,
        retry=RETRY,
        uniform=lambda: 1.0,
    )


def rest(machine: Machine, path: Path) -> timedelta:
    return pacer(machine, path).wait(early=True, resting=True)[0]


def test_the_first_time_there_is_nothing_to_wait_for(machine: Machine, tmp_path: Path) -> None:
    assert pacer(machine, tmp_path).wait(early=False, resting=True)[0] == timedelta(0)


def test_the_minimum_survives_a_restart_of_the_process(machine: Machine, tmp_path: Path) -> None:
    pacer(machine, tmp_path).working()
    machine.passes(20 * MINUTE)
    assert pacer(machine, tmp_path).wait(early=True, resting=True) == (
        40 * MINUTE,
        "the device took part a short while ago",
    )
    assert pacer(machine, tmp_path).wait(early=True, resting=False)[0] == timedelta(0)
    machine.passes(40 * MINUTE)
    assert rest(machine, tmp_path) == timedelta(0)


@pytest.mark.parametrize("jump", [timedelta(days=-3650), -MINUTE, MINUTE, timedelta(days=3650)])
def test_a_clock_that_jumps_changes_nothing_until_the_machine_starts_anew(
    machine: Machine, tmp_path: Path, jump: timedelta
) -> None:
    pacer(machine, tmp_path).working()
    machine.passes(20 * MINUTE)
    machine.clock_set(jump)
    assert rest(machine, tmp_path) == 40 * MINUTE


def test_the_minimum_survives_a_restart_of_the_machine(machine: Machine, tmp_path: Path) -> None:
    pacer(machine, tmp_path).working()
    machine.restarts(off=15 * MINUTE)
    assert rest(machine, tmp_path) == 45 * MINUTE
    machine.passes(45 * MINUTE)
    assert rest(machine, tmp_path) == timedelta(0)


def test_a_clock_that_is_set_back_over_a_restart_puts_off_once(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine without a battery for its clock: it believes in some day of the past after every start."""
    machine.clock_set(timedelta(days=36500))
    pacer(machine, tmp_path).working()
    machine.restarts(off=timedelta(days=-36500))
    assert rest(machine, tmp_path) == HOUR
    assert "the clock was set back" in caplog.text
    # From now on it is measured from here, in this start and the next.
    machine.passes(20 * MINUTE)
    assert rest(machine, tmp_path) == 40 * MINUTE
    machine.restarts(off=20 * MINUTE)
    assert rest(machine, tmp_path) == 20 * MINUTE


def answered(after: timedelta, ended: Ended = Ended.IDLE) -> Participation:
    return Participation(ended, after, "")


def test_the_window_of_the_aggregator_survives_a_restart(machine: Machine, tmp_path: Path) -> None:
    pacer(machine, tmp_path).settle(answered(3 * HOUR))
    machine.passes(HOUR)
    again = pacer(machine, tmp_path)
    assert again.wait(early=False, resting=True) == (2 * HOUR, "it is not yet time to come back")
    assert again.wait(early=True, resting=True)[0] == timedelta(0)
    machine.passes(2 * HOUR)
    assert again.wait(early=False, resting=True)[0] == timedelta(0)
    # A later and shorter window replaces it, on disk as well.
    again.settle(answered(timedelta(seconds=1)))
    assert pacer(machine, tmp_path).wait(early=False, resting=True)[0] <= timedelta(seconds=1)


def test_a_short_window_is_kept_to_without_a_write(machine: Machine, tmp_path: Path) -> None:
    one = pacer(machine, tmp_path)
    one.settle(answered(timedelta(seconds=20)))
    assert one.wait(early=False, resting=True)[0] == timedelta(seconds=20)
    assert not (tmp_path / "pace.json").exists()


def test_no_window_is_longer_than_a_day(machine: Machine, tmp_path: Path) -> None:
    pacer(machine, tmp_path).settle(answered(timedelta(days=400)))
    assert pacer(machine, tmp_path).wait(early=False, resting=True)[0] == timedelta(days=1)


def test_the_back_off_grows_over_restarts_up_to_its_bound(machine: Machine, tmp_path: Path) -> None:
    waits = []
    for _ in range(9):
        # The session itself has tried three times, and would come back after 4 s.
        done = pacer(machine, tmp_path).settle(answered(timedelta(seconds=4), Ended.UNREACHABLE))
        waits.append(done.come_back_after.total_seconds())
    assert waits == [4, 8, 16, 32, 64, 128, 256, 300, 300]
    later = pacer(machine, tmp_path)
    assert later.wait(early=False, resting=True) == (timedelta(minutes=5), "the aggregator cannot be reached")
    assert later.settle(answered(timedelta(seconds=4), Ended.UNREACHABLE)).come_back_after == timedelta(minutes=5)
    later.settle(answered(timedelta(0), Ended.COUNTED))
    assert PaceFile(tmp_path / "pace.json").read().failures == 0


def test_elapsed_by_hand() -> None:
    then = Moment(NOON, "a", 100)
    assert elapsed(then, Moment(NOON - HOUR, "a", 130)) == timedelta(seconds=30)
    assert elapsed(then, Moment(NOON, "a", 90)) == timedelta(0)
    assert elapsed(then, Moment(NOON + HOUR, "b", 1)) == HOUR
    assert elapsed(then, Moment(NOON - HOUR, "b", 1)) is None


def test_a_damaged_file_is_a_new_beginning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = PaceFile(tmp_path / "pace.json")
    assert file.read() == Pace()
    kept = Pace(Moment(NOON, "a", 1.5), Moment(NOON + HOUR, "b", 2.5), MINUTE, 3)
    file.write(kept)
    assert file.read() == kept
    assert stat.S_IMODE((tmp_path / "pace.json").stat().st_mode) == 0o600
    good = json.loads((tmp_path / "pace.json").read_text())
    for damaged in (
        b"",
        b"[]",
        b"{}",
        b"\xff",
        json.dumps(good | {"come_back_after_s": 1e300}).encode(),
        json.dumps(good | {"come_back_after_s": -1}).encode(),
        json.dumps(good | {"come_back_after_s": float("nan")}).encode(),
        json.dumps(good | {"worked": {"wall": "2026-07-01T12:00:00", "start": "a", "running_s": 1}}).encode(),
        json.dumps(good | {"worked": good["worked"] | {"running_s": float("inf")}}).encode(),
        json.dumps(good | {"asked": 3}).encode(),
    ):
        caplog.clear()
        (tmp_path / "pace.json").write_bytes(damaged)
        assert file.read() == Pace()
        assert "damaged" in caplog.text


def test_what_cannot_be_kept(machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(StorageError, match="cannot write"):
        pacer(machine, absent).working()
    # The round itself is over then, and its result is not lost.
    assert pacer(machine, absent).settle(answered(HOUR)).come_back_after == HOUR
    assert "cannot write" in caplog.text
    with pytest.raises(ConfigError, match="min_separation"):
        pacer(machine, tmp_path, -HOUR)


def test_this_machine_has_a_clock_that_goes_forward(tmp_path: Path) -> None:
    clock = MachineClock()
    assert clock.start == MachineClock().start
    assert 0 < clock.seconds() <= clock.seconds()
    other = MachineClock(tmp_path / "absent")
    assert other.start.startswith("process ")
    assert other.start == MachineClock(tmp_path / "absent").start
    assert other.seconds() <= other.seconds()
