"""Enrolment over real gRPC: who may call, for whom, and until when."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest

from fieldfare.aggregator import AdminClient
from fieldfare.aggregator.storage import open_sqlite
from fieldfare.core.errors import ConfigError, NotFoundError
from fieldfare.core.signing import enrollment_message, sign
from fieldfare.core.tasks import CohortSpec, TaskSpec
from fieldfare.protos.v1 import aggregator_pb2
from tests.integration.aggregator.fleet import ACCEPTED, INVALID, connect
from tests.integration.security.callers import Caller, Clock, key_for, refused, serving, with_security
from tests.support.fleet_threads import wait_until
from tests.unit.aggregator.world import PLAN, device_id

DENIED, UNKNOWN = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
COHORT = CohortSpec(2, 2, 2.0)
SPEC = TaskSpec("t", "p", rounds=2, training=COHORT, evaluation=COHORT, evaluate_every=0)
START = np.array([1, 2, 3], np.float32)


class Site:
    """An aggregator that asks for enrolment, its administrator, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self._folder = folder
        self.start()

    def start(self) -> None:
        self._serving = serving(self._folder, clock=self.clock)
        self.aggregator = self._serving.__enter__()
        self.admin = AdminClient(self.aggregator.admin_address)
        self.stub = connect(self.aggregator.address)

    def close(self) -> None:
        self.admin.close()
        self._serving.__exit__(None, None, None)

    def member(self, index: int, population: str = "p") -> Caller:
        caller = Caller(index, self.stub, population=population)
        caller.enroll(key_for(self.admin, population))
        return caller


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def test_a_key_makes_a_device_a_member(site: Site) -> None:
    caller = Caller(0, site.stub)
    with refused(UNKNOWN, "is not enrolled here"):
        caller.check_in()
    answer = caller.enroll(key_for(site.admin))
    assert answer.population == "p"
    assert answer.expires_in.ToTimedelta() == timedelta(hours=1)
    now = site.clock().timestamp() * 1e6
    assert abs(answer.server_time_micros - now) < 60e6
    assert caller.check_in().come_back.reason == "no task for population 'p'"
    (listed,) = site.admin.devices()
    assert (listed.device_id, listed.population, listed.HasField("revoked_at")) == (caller.id, "p", False)
    assert list(site.admin.devices("q")) == []


def test_a_key_works_for_one_device(site: Site) -> None:
    key = key_for(site.admin)
    first, second = Caller(0, site.stub), Caller(1, site.stub)
    first.enroll(key)
    # The same call again, after a lost answer.
    first.enroll(key)
    first.check_in()
    with refused(DENIED, "used by another device"):
        second.enroll(key)
    assert len(list(site.admin.devices())) == 1


def test_keys_that_open_nothing(site: Site) -> None:
    key = key_for(site.admin)
    caller = Caller(0, site.stub)
    with refused(DENIED, "unknown or has expired"):
        caller.enroll("ffk-aaaa")
    with refused(DENIED, "signature of the enrolment"):
        caller.enroll(key, signature=bytes(64))
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "public key of 32 bytes"):
        caller.enroll(key, public_key=b"")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "16 bytes"):
        caller.enroll(key, device_id=b"short")
    site.clock.ahead = timedelta(hours=1, seconds=1)
    with refused(DENIED, "unknown or has expired"):
        caller.enroll(key)
    assert list(site.admin.devices()) == []


def test_keys_that_cannot_be_made(site: Site) -> None:
    hour = timedelta(hours=1)
    for population, count, valid_for, field in (
        ("a b", 1, hour, "population"),
        ("p", 0, hour, "count"),
        ("p", 10_001, hour, "count"),
        ("p", 1, timedelta(0), "valid_for"),
        ("p", 1, timedelta(days=367), "valid_for"),
    ):
        with pytest.raises(ConfigError, match=field):
            site.admin.create_keys(population, count, valid_for)
    assert len(set(site.admin.create_keys("p", 50, hour))) == 50


def test_a_device_belongs_to_one_population(site: Site) -> None:
    caller = site.member(0)
    with refused(DENIED, "enrolled in population 'p'"):
        caller.check_in(population="q")
    with refused(DENIED, "belongs to population 'p'"):
        caller.enroll(key_for(site.admin, "q"))
    # An id that is taken cannot be had with another key pair.
    thief = Caller(1, site.stub)
    key = key_for(site.admin)
    with refused(DENIED, "taken by another device"):
        thief.enroll(key, device_id=caller.id, signature=sign(thief.seed, enrollment_message(caller.id, key)))
    # The key was not used up by that.
    thief.enroll(key)


def test_a_token_ends_and_is_renewed_by_a_signature(site: Site) -> None:
    caller = site.member(0)
    site.clock.ahead = timedelta(hours=1, seconds=1)
    with refused(UNKNOWN, "expired"):
        caller.check_in()
    now = site.clock()
    caller.refresh(now)
    caller.check_in()
    with refused(UNKNOWN, "made before"):
        caller.refresh(now)
    with refused(UNKNOWN, "made before"):
        caller.refresh(now - timedelta(seconds=1))
    with refused(UNKNOWN, "signature of the refresh"):
        caller.refresh(now + timedelta(seconds=1), signature=bytes(64))
    with refused(UNKNOWN, "signature of the refresh"):
        caller.refresh(now + timedelta(seconds=1), time_micros=7)
    with refused(UNKNOWN, "not enrolled"):
        Caller(9, site.stub).refresh(now)


def test_a_clock_that_is_hours_off_learns_the_time(site: Site) -> None:
    caller = site.member(0)
    with refused(UNKNOWN, "10800 s behind") as errors:
        caller.refresh(site.clock() - timedelta(hours=3))
    told = dict(errors[0].trailing_metadata())["fieldfare-time-micros"]
    assert abs(int(told) - site.clock().timestamp() * 1e6) < 60e6


def test_forged_and_foreign_tokens(site: Site) -> None:
    first, second = site.member(0), site.member(1)
    own = first.token
    first.token = second.token
    with refused(DENIED, "another device's"):
        first.check_in()
    for token in (own[:-2], own[:-6] + "AAAAAA", "x", "ffa.ada.x"):
        first.token = token
        with refused(UNKNOWN, "access token"):
            first.check_in()
    first.token = own
    first.check_in()


def test_a_device_cannot_report_for_another_or_for_another_round_or_twice(site: Site) -> None:
    site.admin.submit(PLAN, SPEC, weights=START)
    callers = [site.member(index) for index in range(3)]
    first, second, third = (one.device() for one in callers)
    for one in (first, second, third):
        assert one.check_in() is not None
    assert first.assignment is not None
    assert second.assignment is not None
    # With the other's id and ticket, but one's own token.
    with refused(DENIED, "another device's"):
        first.send(first.header(device_id=second.id, ticket=second.assignment.ticket), first.payload())
    # With one's own id, and the other's ticket.
    receipt = first.send(first.header(ticket=second.assignment.ticket), first.payload())
    assert receipt.status == INVALID
    assert "another device's" in receipt.detail
    with refused(DENIED, "another device's"):
        first.fetch(first.assignment.plan.sha256, ticket=second.assignment.ticket)
    assert first.fetch(first.assignment.plan.sha256) == PLAN
    stale = first.assignment.ticket
    for one in (first, second):
        one.report()
    wait_until(lambda: site.admin.show("t").rounds_committed == 1, "the first round")
    assert first.report().status in {aggregator_pb2.RECEIPT_STATUS_DUPLICATE, ACCEPTED}
    # The old round's ticket counts for nothing in the new one.
    assert first.check_in() is not None
    assert first.assignment.round_number == 2
    late = first.send(first.header(ticket=stale), first.payload())
    assert late.status == aggregator_pb2.RECEIPT_STATUS_DUPLICATE
    assert site.admin.show("t", 1).rounds[0].reported == 0
    # Without a token, nothing works at all.
    callers[2].token = ""
    with refused(UNKNOWN, "not enrolled"):
        third.report()
    with refused(UNKNOWN, "not enrolled"):
        third.fetch(first.assignment.plan.sha256)


def test_a_revoked_device_is_out_for_good(site: Site) -> None:
    caller, other = site.member(0), site.member(1)
    site.admin.revoke_device(caller.id)
    with refused(UNKNOWN, "revoked"):
        caller.check_in()
    with refused(UNKNOWN, "revoked"):
        caller.refresh(site.clock())
    with refused(DENIED, "revoked"):
        caller.enroll(key_for(site.admin))
    other.check_in()
    revoked = {one.device_id: one.HasField("revoked_at") for one in site.admin.devices()}
    assert revoked == {caller.id: True, other.id: False}
    with pytest.raises(NotFoundError):
        site.admin.revoke_device(device_id(7))


def test_what_another_replica_revoked_is_known_within_moments(site: Site, tmp_path: Path) -> None:
    caller = site.member(0)
    caller.check_in()
    elsewhere = open_sqlite(tmp_path / "state" / "fieldfare.db")
    elsewhere.security.revoke_device(caller.id, site.clock())
    elsewhere.close()

    def is_out() -> bool:
        try:
            caller.check_in()
        except grpc.RpcError as error:
            if error.code() is not UNKNOWN:
                raise
            return True
        return False

    wait_until(is_out, "the revocation", within_s=10)


def test_tokens_outlive_a_restart(site: Site) -> None:
    caller = site.member(0)
    site.close()
    site.start()
    Caller(0, site.stub, caller.token).check_in()


def test_a_shorter_life_time_lets_no_revoked_device_back_in(tmp_path: Path) -> None:
    clock = Clock()
    long, short = (with_security(token_lifetime=one) for one in (timedelta(days=7), timedelta(hours=1)))
    with serving(tmp_path, long, clock) as aggregator, AdminClient(aggregator.admin_address) as admin:
        caller = Caller(0, connect(aggregator.address))
        caller.enroll(key_for(admin))
        admin.revoke_device(caller.id)
    clock.ahead = timedelta(days=6)
    with serving(tmp_path, short, clock) as aggregator, refused(UNKNOWN, "this device was revoked"):
        Caller(0, connect(aggregator.address), caller.token).check_in()


def test_without_enrolment_on_loopback_it_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, with_security(enrollment="auto")) as aggregator:
        assert any("may pose as any device" in one for one in aggregator.warnings)
        Caller(0, connect(aggregator.address)).check_in()
    with pytest.raises(ConfigError, match="enrollment"):
        with_security(enrollment="maybe")
