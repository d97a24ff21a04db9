"""Real devices of the SDK against a real aggregator that asks for enrolment and for signed plans."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.core.errors import ConfigError, StateError
from fieldfare.core.plans import Manifest, read_manifest
from fieldfare.core.sessions import Ended, RetrySettings
from fieldfare.core.signing import public_key_of, public_key_to_pem, sign_plan
from fieldfare.core.tasks import AggregationSpec, CohortSpec, TaskSpec
from fieldfare.core.weights import sha256
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import Device, ExampleStore
from fieldfare.sdk.enrollment import Member, Membership
from fieldfare.sdk.ledger import LedgerKind
from fieldfare.sdk.training import Trained
from tests.integration.security.callers import Clock, key_for, serving, with_security
from tests.unit.aggregator.world import PLAN

COHORT = CohortSpec(1, 1, 1.0)
ALONE = AggregationSpec(min_snapshot_updates=1)
SPEC = TaskSpec("t", "p", rounds=3, training=COHORT, evaluation=COHORT, evaluate_every=0, aggregation=ALONE)
START = np.zeros(3, np.float32)
PUBLISHER, STRANGER = bytes([1]) * 32, bytes([2]) * 32
HASTY = RetrySettings(tries=2, first=timedelta(milliseconds=10), longest=timedelta(milliseconds=50))


class FixedTrainer:
    """Reports the same update always, and remembers what it was asked to run."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def load(self, plan: Path, digest: str) -> Manifest:
        self.loaded.append(digest)
        return read_manifest(plan.read_bytes())

    def train(self, checkpoint: np.ndarray, examples: Any, **_: Any) -> Trained:
        return Trained(np.array([1, 2, 3], np.float32), 0.5, len(examples["x"]))

    def evaluate(self, checkpoint: np.ndarray, examples: Any, **_: Any) -> dict[str, Any]:
        raise AssertionError("no evaluation was asked for")


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.trainer = FixedTrainer()
        self.store = ExampleStore.create(folder / "store.db", read_manifest(PLAN).example_specs)
        self.store.add_many({"x": np.ones((20, 2), np.float32), "y": np.ones((20, 1), np.float32)})

    def device(self, aggregator: Aggregator, **options: Any) -> Device:
        return Device(
            self.folder / "device",
            aggregator=aggregator.address,
            population="p",
            store=self.store,
            trainer=self.trainer,
            retry=HASTY,
            **options,
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.store.close()


def submit(aggregator: Aggregator, *signers: bytes, name: str = "t") -> None:
    with AdminClient(aggregator.admin_address) as admin:
        signatures = [sign_plan(seed, sha256(PLAN)) for seed in signers]
        admin.submit(PLAN, replace(SPEC, name=name), weights=START, signatures=signatures)


def key(aggregator: Aggregator) -> str:
    with AdminClient(aggregator.admin_address) as admin:
        return key_for(admin)


def test_a_device_enrols_once_and_renews_its_token_by_itself(site: Site) -> None:
    with serving(site.folder, clock=site.clock) as aggregator:
        submit(aggregator)
        with site.device(aggregator) as stranger:
            refused = stranger.run_once()
            assert refused.ended is Ended.UNREACHABLE
            assert "is not enrolled here" in refused.detail
        with site.device(aggregator, enrollment_key=key(aggregator)) as device:
            assert device.run_once().ended is Ended.COUNTED
            assert LedgerKind.TOKEN not in {entry.kind for entry in device.ledger}
            # The token ends; so would any that the device could keep.
            site.clock.ahead = timedelta(hours=2)
            assert device.run_once().ended is not Ended.UNREACHABLE
            kinds = [entry.kind for entry in device.ledger]
            assert kinds.count(LedgerKind.ENROLL) == 1
            # Two: from the answer to the first, it learns that the aggregator's clock has jumped.
            assert kinds.count(LedgerKind.TOKEN) == 2
        # The next life needs no key.
        with site.device(aggregator) as again:
            assert again.run_once().ended is Ended.IDLE
    for name in ("device_key", "member.json", "device_id"):
        assert stat.S_IMODE((site.folder / "device" / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("wrong", [timedelta(hours=-7), timedelta(days=400)])
def test_a_device_whose_clock_is_wrong_by_hours_takes_part(site: Site, wrong: timedelta) -> None:
    clock = Clock()
    clock.ahead = wrong
    with serving(site.folder, clock=site.clock) as aggregator:
        submit(aggregator)
        with site.device(aggregator, enrollment_key=key(aggregator), now=clock) as device:
            assert device.run_once().ended is Ended.COUNTED
            # Its clock is set anew, which makes the difference that it learnt wrong in turn.
            clock.ahead = timedelta(0)
            site.clock.ahead = timedelta(hours=3)
            assert device.run_once().ended is not Ended.UNREACHABLE
            assert [entry.kind for entry in device.ledger].count(LedgerKind.TOKEN) >= 1


def test_a_revoked_device_says_so(site: Site) -> None:
    with serving(site.folder) as aggregator, AdminClient(aggregator.admin_address) as admin:
        submit(aggregator)
        with site.device(aggregator, enrollment_key=key(aggregator)) as device:
            assert device.run_once().ended is Ended.COUNTED
            (listed,) = admin.devices("p")
            admin.revoke_device(listed.device_id)
            refused = device.run_once()
            assert refused.ended is Ended.UNREACHABLE
            assert "revoked" in refused.detail


def test_only_plans_of_trusted_publishers_are_run(site: Site) -> None:
    settings = with_security(enrollment="off")
    trusted = {"trusted_publishers": [public_key_of(PUBLISHER)]}
    with serving(site.folder, settings) as aggregator:
        submit(aggregator, STRANGER)
        with site.device(aggregator, **trusted) as device:
            refused = device.run_once()
            assert refused.ended is Ended.WITHDRAWN
            assert "not signed by a publisher that this device trusts" in refused.detail
            # Nothing was fetched, and nothing run.
            assert site.trainer.loaded == []
            assert {entry.kind for entry in device.ledger} == {LedgerKind.CHECK_IN, LedgerKind.WITHDRAWAL}
            assert list((site.folder / "device" / "cache").glob("*")) == []
        with AdminClient(aggregator.admin_address) as admin:
            assert admin.show("t", 0).rounds[0].withdrawn == 1


def test_a_plan_of_a_trusted_publisher_is_run(site: Site) -> None:
    (site.folder / "publisher.pem.pub").write_bytes(public_key_to_pem(public_key_of(PUBLISHER)))
    with serving(site.folder, with_security(enrollment="off")) as aggregator:
        submit(aggregator, STRANGER, PUBLISHER)
        with site.device(aggregator, trusted_publishers=[site.folder / "publisher.pem.pub"]) as device:
            assert device.run_once().ended is Ended.COUNTED
            assert site.trainer.loaded == [sha256(PLAN).hex()]


def test_signatures_outlive_a_restart(site: Site) -> None:
    settings = with_security(enrollment="off")
    with serving(site.folder, settings) as aggregator:
        submit(aggregator, PUBLISHER)
    trusted = [public_key_of(PUBLISHER)]
    with serving(site.folder, settings) as aggregator, site.device(aggregator, trusted_publishers=trusted) as device:
        assert device.run_once().ended is Ended.COUNTED


def test_an_aggregator_may_take_plans_of_its_publishers_only(site: Site) -> None:
    public = site.folder / "publisher.pem.pub"
    public.write_bytes(public_key_to_pem(public_key_of(PUBLISHER)))
    with serving(site.folder, with_security(enrollment="off", publishers=(public,))) as aggregator:
        for signers in ((), (STRANGER,)):
            with pytest.raises(ConfigError, match="takes plans of its publishers only"):
                submit(aggregator, *signers)
        submit(aggregator, PUBLISHER)
        forged = aggregator_pb2.PlanSignature(public_key=public_key_of(PUBLISHER), signature=bytes(64))
        with AdminClient(aggregator.admin_address) as admin:
            with pytest.raises(ConfigError, match="is not one of this plan"):
                admin.submit(PLAN, SPEC, weights=START, signatures=[forged])
            assert len(admin.list()) == 1
    public.write_text("nothing")
    with pytest.raises(ConfigError, match=r"publisher\.pem\.pub: this is no public key"):
        Aggregator(site.folder / "state", settings=with_security(publishers=(public,))).start()


def test_keys_of_publishers_that_are_none(site: Site) -> None:
    for wrong in (b"short", site.folder / "absent"):
        with pytest.raises(ConfigError, match="trusted_publishers"):
            Device("d", aggregator="127.0.0.1:1", population="p", store=site.store, trusted_publishers=[wrong])


def test_a_membership_that_is_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    membership = Membership(tmp_path)
    assert membership.read() is None
    with pytest.raises(StateError, match="is gone"):
        membership.private_key()
    seed = membership.private_key(create=True)
    assert membership.private_key(create=True) == seed
    member = Member("p", "token", 3, 4, 5)
    membership.write(member)
    assert membership.read() == member
    for content in ("", "{", "[]", '{"token": 1}', '{"other": ""}', '{"expires_micros": "x"}'):
        (tmp_path / "member.json").write_text(content)
        assert membership.read() == Member()
    assert "damaged" in caplog.text
    (tmp_path / "device_key").write_bytes(b"short")
    with pytest.raises(StateError, match="damaged"):
        membership.private_key()
