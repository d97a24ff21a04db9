"""A round driven by random operations, against a slow and simple account of who did what."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldfare.core.rounds import Round, RoundState, Verdict
from fieldfare.core.tasks import CohortSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
S = timedelta(seconds=1)
device_ids = st.integers(0, 7).map(lambda number: bytes([number]) * 16)


@st.composite
def cohort_specs(draw) -> CohortSpec:
    goal = draw(st.integers(1, 5))
    return CohortSpec(
        goal,
        draw(st.integers(1, goal)),
        draw(st.sampled_from([1.0, 1.3, 2.0])),
        draw(st.integers(1, 20)) * S,
        draw(st.integers(1, 20)) * S,
    )


operations = st.lists(
    st.tuples(
        st.sampled_from(["assign", "report", "withdraw", "refuse", "adopt", "acknowledge", "sleep", "wake", "decide"]),
        device_ids,
        st.integers(0, 12),
    ),
    max_size=60,
)


class Account:
    """The rules told plainly: sets of devices, checked after every operation."""

    def __init__(self, spec: CohortSpec, acknowledged: set[bytes]) -> None:
        self.spec = spec
        self.round = Round(spec, START, acknowledged)
        self.now = START
        self.reported = set(acknowledged)
        self.acknowledged = set(acknowledged)
        self.gave_up: set[bytes] = set()
        self.deadlines: dict[bytes, datetime] = {}
        self.given = len(acknowledged)

    def expire(self) -> None:
        self.deadlines = {one: until for one, until in self.deadlines.items() if until > self.now}

    def assign(self, device: bytes, _: int) -> None:
        self.expire()
        in_reach = len(self.reported) + len(self.deadlines)
        got = self.round.assign(device, self.now)
        assert self.round.assign(device, self.now) == got, "asking twice gives the same answer"
        if device in self.deadlines:
            assert got == self.deadlines[device]
        elif got is not None:
            assert got == self.now + self.spec.report_timeout
            assert device not in self.reported
            assert in_reach < self.spec.asked, "never more devices than over-selection asks for"
            assert not self.round.finished
            self.deadlines[device] = got
            self.given += 1

    def report(self, device: bytes, _: int) -> None:
        if self.round.deadline_of(device) is not None:
            self.round.add_report(device)
            del self.deadlines[device]
            self.reported.add(device)

    def withdraw(self, device: bytes, _: int) -> None:
        before = self.round.withdrawn
        self.round.withdraw(device)
        assert self.round.withdrawn - before == (device in self.deadlines)
        self.deadlines.pop(device, None)

    def refuse(self, device: bytes, _: int) -> None:
        before = self.round.refused
        self.round.refuse(device)
        assert self.round.refused - before == (device in self.deadlines)
        self.deadlines.pop(device, None)

    def adopt(self, device: bytes, seconds: int) -> None:
        known = self.round.deadline_of(device) is not None
        self.round.adopt(device, self.now + seconds * S)
        if self.round.deadline_of(device) is not None and not known:
            assert device not in self.reported
            assert not self.round.finished
            self.deadlines[device] = self.now + seconds * S
            self.given += 1

    def acknowledge(self, _device: bytes, _: int) -> None:
        self.acknowledged |= self.round.pending
        self.round.acknowledge(self.round.pending)
        assert self.round.pending == frozenset()

    def sleep(self, _device: bytes, seconds: int) -> None:
        self.now += seconds * S

    def wake(self, _device: bytes, _: int) -> None:
        """The clock goes exactly to the next deadline: then something must change, or a driver would spin."""
        until = self.round.next_deadline()
        if until is None:
            assert self.round.finished
            return
        self.now = max(self.now, until)
        self.decide(b"", 0)
        later = self.round.next_deadline()
        assert self.round.finished or later > self.now

    def decide(self, _device: bytes, _: int) -> None:
        decision = self.round.decide(self.now)
        self.expire()
        if decision.verdict is Verdict.COMMIT:
            assert len(self.reported) >= self.spec.minimum
            assert len(self.reported) >= self.spec.goal_count or not self.deadlines
            self.round.finish(committed=True)
            self.deadlines.clear()
        elif decision.verdict is Verdict.ABANDON:
            assert not self.acknowledged, "a receipt is a promise"
            assert len(self.reported) + len(self.deadlines) < self.spec.minimum
            assert decision.reason
            self.round.finish(committed=False)
            self.deadlines.clear()
        elif not self.round.finished:
            assert len(self.reported) < self.spec.goal_count

    def check(self) -> None:
        assert self.round.reported == len(self.reported)
        assert self.round.assigned == self.given
        assert all(self.round.has_report_of(one) for one in self.reported)
        assert {one for one in self.reported if self.round.is_acknowledged(one)} == self.acknowledged
        assert self.round.pending == self.reported - self.acknowledged
        assert self.round.outstanding == len(self.deadlines)
        assert all(self.round.deadline_of(one) == until for one, until in self.deadlines.items())
        if self.round.finished:
            assert self.round.state in {RoundState.COMMITTED, RoundState.ABANDONED}
            assert self.round.outstanding == 0


@settings(max_examples=250)
@given(cohort_specs(), st.sets(device_ids, max_size=2), operations)
def test_a_round_keeps_its_account(spec, acknowledged, steps):
    account = Account(spec, acknowledged)
    for name, device, number in steps:
        getattr(account, name)(device, number)
        account.check()


@settings(max_examples=100)
@given(cohort_specs(), operations)
def test_a_round_without_receipts_always_ends(spec, steps):
    account = Account(spec, set())
    for name, device, number in steps:
        if name != "acknowledge":
            getattr(account, name)(device, number)
    for _ in range(50):
        account.wake(b"", 0)
    assert account.round.finished
