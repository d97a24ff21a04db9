"""Rounds of a fleet over lines on which anything goes wrong, drawn from a seed: no update is lost or counts twice."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.settings import SecuritySettings
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import AggregationSpec, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from tests.integration.end_to_end.network.setting import HASTY, PACE
from tests.support.certificates import Authority
from tests.support.faults import DOWN, UP, Corrupt, Cut, Delay, Fault, Reset, Swallow, Throttle
from tests.support.fleet_checks import check_against_oracle, committed, make_members
from tests.support.fleet_threads import running, wait_until
from tests.support.recording_proxy import RecordingProxy
from tests.support.tiny_plan import tiny_plan

FEATURES = 2_000
"""An update has 8 kB: small enough for the exact oracle, large enough to be cut in the middle."""
ROUNDS = 3
REACH = 60_000
"""Faults strike anywhere in what a few rounds carry over one connection."""


def any_faults(seed: int, *, corrupt: bool) -> Iterator[list[Fault]]:
    """For each connection one fault that strikes it sooner or later, now and then beside one that makes it slow."""
    chance = random.Random(seed)  # noqa: S311

    def striking() -> Fault:
        direction, place = chance.choice((UP, DOWN)), int(REACH ** chance.random())
        kinds: list[Fault] = [Cut(direction, place), Reset(direction, place), Swallow(direction, place)]
        if corrupt:
            # Behind the first flight of the handshake: what is changed there may look like another kind of server.
            kinds.append(Corrupt(direction, 2000 + place, chance.randrange(1, 256)))
        return chance.choice(kinds)

    def slow() -> Fault:
        direction = chance.choice((UP, DOWN))
        kinds: list[Fault] = [Delay(direction, chance.uniform(0, 0.05)), Throttle(direction, chance.uniform(2e5, 2e6))]
        return chance.choice(kinds)

    while True:
        yield [striking(), slow()] if chance.random() < 0.5 else [striking()]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "tls"), [(1, False), (2, True)])
def test_every_update_counts_once_or_not_at_all(tmp_path: Path, seed: int, tls: bool) -> None:
    settings, authority = PACE, Authority(tmp_path)
    if tls:
        pair = authority.issue("server")
        security = SecuritySettings(enrollment="off", tls_cert=pair.cert, tls_key=pair.key)
        settings = ServerSettings(pace=PACE.pace, security=security)
    plan, limit = tmp_path / "plan.tflite", timedelta(seconds=6)
    plan.write_bytes(tiny_plan(4, FEATURES))
    spec = TaskSpec(
        "any",
        "p",
        rounds=ROUNDS,
        training=CohortSpec(4, 2, 1.0, limit, limit),
        evaluation=CohortSpec(4, 2, 1.0, limit, limit),
        local=LocalTrainingSpec(max_examples=64),
        aggregation=AggregationSpec(min_snapshot_updates=2),
    )
    with ExitStack() as stack:
        aggregator = stack.enter_context(Aggregator(tmp_path / "state", settings=settings))
        admin = stack.enter_context(AdminClient(aggregator.admin_address))
        members = make_members(tmp_path, 4, "", stack, FEATURES)
        proxies = []
        for index, member in enumerate(members):
            faults = any_faults(10 * seed + index, corrupt=tls)
            proxies.append(stack.enter_context(RecordingProxy(aggregator.address, faults=faults)))
            member.address, member.patience, member.retry = proxies[-1].address, timedelta(seconds=1), HASTY
            member.tls_ca = authority.ca if tls else None
        task = admin.submit(plan, spec).task_id
        with running(members, "p"):
            wait_until(lambda: committed(admin.show(task)), "the task's end", within_s=200)
        status = admin.show(task, 0)
        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
        assert status.rounds_committed == ROUNDS
        assert sum(len(proxy.connections) for proxy in proxies) >= 12
        assert all(one.refused == 0 for one in status.rounds)
        check_against_oracle(tmp_path / "state", plan, spec, status, weights, members)
        ends = {one.ended for member in members for one in member.participations}
        assert Ended.REFUSED not in ends
