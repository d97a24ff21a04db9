"""Devices that are killed at random instants on bad lines: no update is lost or counts twice, no file is left over."""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import AggregationSpec, CohortSpec, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.protos.v1 import task_pb2
from fieldfare.sdk.ledger import LedgerKind
from tests.integration.end_to_end.network.setting import HASTY, PACE
from tests.integration.end_to_end.network.short_lives import Life
from tests.integration.end_to_end.network.test_any_faults import FEATURES, any_faults
from tests.support.fleet_checks import check_against_oracle, make_members, member_ledger
from tests.support.fleet_threads import Member, running, wait_until
from tests.support.recording_proxy import RecordingProxy
from tests.support.tiny_plan import tiny_plan

KILLS = 200
DEVICES = 2


def run_and_kill(lives: Sequence[Life], chance: random.Random, rounds_done: Callable[[], int]) -> None:
    """Each device lives, is killed at any instant, and lives again."""
    alive, longest_s = [life.start() for life in lives], 0.5
    try:
        for kill in range(1, KILLS + 1):
            index = chance.randrange(len(lives))
            # Most lives end within a participation, some in the middle of starting.
            alive[index].join(chance.random() ** 2 * longest_s)
            assert alive[index].exitcode is None, "a device ended by itself"
            alive[index].kill()
            alive[index].join()
            alive[index] = lives[index].start()
            if kill % 20 == 0 and rounds_done() < kill // 20:
                longest_s *= 1.5  # a machine so slow that nothing gets done
    finally:
        for process in alive:
            process.kill()
            process.join()


def files_of(folder: Path) -> dict[str, int]:
    """Bytes of each file that a device has."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in found}


@pytest.mark.slow
def test_devices_are_killed_again_and_again_on_bad_lines(tmp_path: Path) -> None:
    plan, limit = tmp_path / "plan.tflite", timedelta(seconds=5)
    plan.write_bytes(tiny_plan(4, FEATURES))
    plan_bytes, update_bytes = plan.stat().st_size, 4 * (FEATURES + 1)
    spec = TaskSpec(
        "kills",
        "p",
        rounds=10_000,
        training=CohortSpec(DEVICES, 1, 1.0, limit, limit),
        evaluate_every=0,
        local=LocalTrainingSpec(max_examples=64),
        aggregation=AggregationSpec(min_snapshot_updates=1),
    )
    cache_limit = plan_bytes + 3 * (update_bytes + 500)
    with ExitStack() as stack:
        aggregator = stack.enter_context(Aggregator(tmp_path / "state", settings=PACE))
        admin = stack.enter_context(AdminClient(aggregator.admin_address))
        members = make_members(tmp_path, DEVICES, "", stack, FEATURES)
        lives = []
        for index, member in enumerate(members):
            proxy = stack.enter_context(
                RecordingProxy(aggregator.address, faults=any_faults(50 + index, corrupt=False))
            )
            member.address, member.patience, member.retry = proxy.address, timedelta(seconds=1), HASTY
            member.cache_limit_bytes = cache_limit
            lives.append(Life(member.store.path, member.folder, member.address, member.seed, cache_limit))
        task = admin.submit(plan, spec).task_id
        run_and_kill(lives, random.Random(7), lambda: admin.show(task).rounds_committed)  # noqa: S311
        assert admin.show(task).rounds_committed >= 3, "the lives were too short for any work"
        settle(members)
        wait_until(lambda: all(map(is_over, admin.show(task, 0).rounds)), "the end of the round with their reports")
        status = admin.show(task, 0)
        weights = unpack_weights(admin.fetch(status.checkpoint))[1]
        check_against_oracle(tmp_path / "state", plan, spec, status, weights, members)
        assert all(one.refused == 0 for one in status.rounds)
    for member in members:
        check_files(member, cache_limit, plan_bytes, update_bytes)


def is_over(one: task_pb2.RoundStatus) -> bool:
    """Whether the round holds no report that is yet to be committed."""
    return one.state == task_pb2.ROUND_STATE_COMMITTED or not one.reported


def settle(members: Sequence[Member]) -> None:
    """The kept reports get their receipts: a life without a kill."""
    with running(members, "p"):
        wait_until(
            lambda: all(any(one.ended is Ended.COUNTED for one in member.participations) for member in members),
            "a participation of each device",
        )


def check_files(member: Member, cache_limit: int, plan_bytes: int, update_bytes: int) -> None:
    """After hundreds of lives there is what one would have left: no half-written files, and nothing that has grown."""
    files = files_of(member.folder)
    assert not [name for name in files if Path(name).name.startswith(".")]
    cached = sum(size for name, size in files.items() if name.startswith("cache/"))
    in_use = plan_bytes + 2 * (update_bytes + 500)
    assert cached <= max(cache_limit, in_use)
    rest = {name: size for name, size in files.items() if not name.startswith(("cache/", "ledger.db"))}
    assert len(rest) <= 8
    assert sum(rest.values()) <= 2 * update_bytes + 10_000
    with member_ledger(member) as ledger:
        rows, kinds = len(ledger), ledger.totals()
        assert ledger.verify() is None
    assert {LedgerKind.UPDATE, LedgerKind.RECEIPT} <= set(kinds), "no kill came between a report and its receipt"
    ledger_bytes = sum(size for name, size in files.items() if name.startswith("ledger.db"))
    assert ledger_bytes <= 600 * rows + 5_000_000, "beside its rows, no more than SQLite's log"
