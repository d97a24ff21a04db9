"""Drafts, tasks of evaluation only, and which devices a task takes."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from fieldfare.core.errors import StateError
from fieldfare.core.tasks import EligibilitySpec, TargetSpec, TaskAction, TaskKind
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.world import COHORT, SPEC, World, check_in_all

EVALUATION = replace(SPEC, kind=TaskKind.EVALUATION, rounds=2)
HOUR = timedelta(hours=1)


def whole_round(world: World, start: int = 0) -> None:
    for work in check_in_all(world, 4, start):
        world.report(work)
    assert world.work()


def test_a_draft_waits_until_it_is_started(world: World) -> None:
    task = world.submit(replace(SPEC, draft=True))
    assert world.status().state == task_pb2.TASK_STATE_DRAFT
    assert world.check_in(0) is None
    assert not world.engine.expects_work("p")
    for action in (TaskAction.PAUSE, TaskAction.RESUME):
        with pytest.raises(StateError, match="draft"):
            world.engine.control(task, action)
    world.restart()
    assert world.status().state == task_pb2.TASK_STATE_DRAFT
    assert world.engine.control(task, TaskAction.START).state == task_pb2.TASK_STATE_RUNNING
    assert world.engine.control(task, TaskAction.START).state == task_pb2.TASK_STATE_RUNNING
    whole_round(world)
    assert world.status().rounds_committed == 1


def test_a_draft_can_be_cancelled(world: World) -> None:
    task = world.submit(replace(SPEC, draft=True))
    assert world.engine.control(task, TaskAction.CANCEL).state == task_pb2.TASK_STATE_CANCELLED
    assert world.engine.active_tasks() == []


def test_a_task_of_evaluation_measures_the_submitted_weights(world: World) -> None:
    world.submit(EVALUATION)
    (work,) = check_in_all(world, 1)
    assert work.assignment.kind == task_pb2.ROUND_KIND_EVALUATION
    whole_round(world)
    world.restart()
    assert world.status().rounds_committed == 1
    whole_round(world)
    status = world.status()
    assert (status.state, status.reason) == (task_pb2.TASK_STATE_COMPLETED, "2 rounds done")
    assert (status.rounds_committed, status.checkpoint_version) == (2, 0)
    assert {one.kind for one in status.rounds} == {task_pb2.ROUND_KIND_EVALUATION}
    np.testing.assert_array_equal(world.weights(0), np.array([1, 2, 3], np.float32))


def test_a_task_of_evaluation_ends_at_its_target(world: World) -> None:
    world.submit(replace(EVALUATION, rounds=9, target=TargetSpec("accuracy", 0.85, False)))
    whole_round(world)
    assert world.status().reason == "target reached: accuracy 0.9000 >= 0.85"


def test_a_device_comes_again_only_after_the_separation_also_across_a_restart(world: World) -> None:
    world.submit(replace(SPEC, rounds=9, eligibility=EligibilitySpec(min_separation=HOUR)))
    whole_round(world)
    assert world.check_in(0) is None
    assert "less than 1:00:00 ago" in world.ask(0).come_back.reason
    # Only whoever was counted has to wait.
    assert world.check_in(4) is not None
    world.advance(3000)
    world.restart()
    assert world.check_in(1) is None
    world.advance(600)
    world.work()
    assert world.check_in(1) is not None


def test_a_snapshot_counts_as_a_participation(world: World) -> None:
    world.submit(replace(SPEC, eligibility=EligibilitySpec(min_separation=HOUR)))
    works = check_in_all(world, 4)
    for work in works[:2]:
        world.report(work)
    world.work()
    world.advance(60)
    # The others' time is over: the round commits with what it has.
    assert world.work()
    assert [world.check_in(index) is None for index in range(4)] == [True, True, False, False]


def test_devices_that_are_not_fit_are_told_why(world: World) -> None:
    world.submit(replace(SPEC, eligibility=EligibilitySpec(min_memory_bytes=100, min_sdk="1.2")))
    able = {"protocol_version": 1, "encoding_stages": ["float32"], "memory_bytes": 100, "sdk": "fieldfare 1.2.0"}
    assert "100 bytes" in world.ask(0, **{**able, "memory_bytes": 99}).come_back.reason
    assert "version 1.2" in world.ask(0, **{**able, "sdk": "fieldfare 1.1"}).come_back.reason
    assert world.ask(0, **able).HasField("assignment")


def test_late_and_duplicate_reports_are_counted_for_their_round(world: World) -> None:
    world.submit(replace(SPEC, rounds=3, training=replace(COHORT, over_selection=1.5)))
    works = check_in_all(world, 6)
    tickets = [world.engine.reports.read_ticket(world.header(work)) for work in works]
    for work in works[:2]:
        world.report(work)
    world.work()
    world.engine.reports.count_stray(tickets[0], late=False)
    world.engine.reports.count_stray(tickets[5], late=True)
    assert [(one.late, one.duplicates) for one in world.status().rounds] == [(1, 1)]
    for work in works[2:4]:
        world.report(work)
    world.work()
    for late in (True, True, False):
        world.engine.reports.count_stray(tickets[4], late=late)
    world.work()
    world.restart()
    assert [(one.late, one.duplicates) for one in world.status().rounds] == [(3, 2), (0, 0)]
