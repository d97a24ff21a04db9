"""Ids of counted devices go when they are of no use any more."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.aggregator.engine import Standing
from fieldfare.aggregator.settings import EngineSettings, ServerSettings
from fieldfare.core.tasks import AggregationSpec, Algorithm, EligibilitySpec, Weighting
from tests.unit.aggregator.world import SPEC, Work, World, check_in_all

HOUR = timedelta(hours=1)


def whole_round(world: World, start: int = 0) -> list[Work]:
    works = check_in_all(world, 4, start)
    for work in works:
        world.report(work)
    assert world.work()
    return works


def a_world(folder: Path, keep: timedelta) -> World:
    return World(folder / "state", ServerSettings(engine=EngineSettings(keep_counted=keep)))


@pytest.mark.parametrize("keep", [timedelta(0), HOUR])
def test_old_ids_go_and_young_ones_stay(tmp_path: Path, keep: timedelta) -> None:
    world = a_world(tmp_path, keep)
    world.submit(replace(SPEC, rounds=3))
    (first, *_) = whole_round(world)
    world.advance(3600)
    world.work()
    assert world.standing(first) is Standing.COUNTED
    (second, *_) = whole_round(world, 10)
    assert world.standing(first) is Standing.COUNTED
    world.advance(1)
    whole_round(world, 20)
    # The round is over, so it cannot count again, whatever it is told.
    assert world.standing(first) is (Standing.GONE if keep else Standing.COUNTED)
    assert world.standing(second) is Standing.COUNTED
    world.database.close()


def test_ids_of_tasks_that_have_ended_go_at_the_start(tmp_path: Path) -> None:
    world = a_world(tmp_path, HOUR)
    task = world.submit(replace(SPEC, rounds=1))
    whole_round(world)
    world.advance(3600)
    world.restart()
    assert len(world.database.counted(task, 1)) == 4
    world.advance(1)
    world.submit(replace(SPEC, name="another"))
    assert len(world.database.counted(task, 1)) == 0
    world.database.close()


@pytest.mark.parametrize("need", ["separation", "report time"])
def test_what_a_task_needs_is_kept(tmp_path: Path, need: str) -> None:
    world = a_world(tmp_path, timedelta(seconds=1))
    spec = replace(SPEC, rounds=1)
    if need == "separation":
        spec = replace(spec, eligibility=EligibilitySpec(min_separation=HOUR))
    else:
        spec = replace(spec, training=replace(spec.training, report_timeout=HOUR))
    task = world.submit(spec)
    whole_round(world)
    world.advance(3600)
    world.restart()
    assert len(world.database.counted(task, 1)) == 4
    world.advance(1)
    world.restart()
    assert len(world.database.counted(task, 1)) == 0
    world.database.close()


def test_scaffold_needs_every_device_that_was_ever_counted(tmp_path: Path) -> None:
    world = a_world(tmp_path, timedelta(seconds=1))
    task = world.submit(replace(SPEC, rounds=1))
    whole_round(world)
    world.advance(10**6)
    scaffold = replace(SPEC, aggregation=AggregationSpec(Algorithm.SCAFFOLD, Weighting.UNIFORM))
    for spec, kept in ((scaffold, 4), (SPEC, 0)):
        world.engine._keeper.forget_counted(task, spec)
        assert len(world.database.counted(task, 1)) == kept
    world.database.close()
