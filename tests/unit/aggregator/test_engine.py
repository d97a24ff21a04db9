"""Rounds, receipts and tasks, with a clock that the test moves."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from fieldfare.aggregator.engine import Event, EventKind, Standing
from fieldfare.core.errors import (
    ConfigError,
    FieldfareError,
    NotFoundError,
    ProtocolError,
    StateError,
    UpdateError,
)
from fieldfare.core.tasks import AggregationSpec, TargetSpec, TaskAction
from fieldfare.protos.v1 import task_pb2
from tests.unit.aggregator.world import COHORT, SPEC, World, check_in_all, everything_written


def test_weighted_mean_of_the_goal_and_nothing_of_the_late(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 6)
    assert world.check_in(6) is None
    for index, work in enumerate(works[:4]):
        assert world.report(work, (index, -index, 0.5), count=index + 1)
    assert world.work()
    assert not world.report(works[4], (100, 100, 100), count=50)
    assert [world.standing(work) for work in works[3:5]] == [Standing.COUNTED, Standing.GONE]
    weights = np.array([1, 2, 3, 4]) / 10
    expected = [1 + weights @ [0, 1, 2, 3], 2 - weights @ [0, 1, 2, 3], 3.5]
    np.testing.assert_allclose(world.weights(1), expected, atol=1e-6)
    first = world.status().rounds[0]
    assert (first.assigned, first.reported, first.examples, first.bytes_up) == (6, 4, 10, 48)
    assert {one.name: one.sum / one.weight for one in first.metrics} == pytest.approx({"loss": 0.5, "accuracy": 0.9})


def test_uniform_weighting_and_server_learning_rate(world: World) -> None:
    from fieldfare.core.tasks import Weighting

    aggregation = AggregationSpec(weighting=Weighting.UNIFORM, server_learning_rate=0.5)
    world.submit(replace(SPEC, aggregation=aggregation))
    for index, work in enumerate(check_in_all(world, 4)):
        world.report(work, (index, 0, 0), count=1 + 10 * index)
    world.work()
    np.testing.assert_allclose(world.weights(1), [1.75, 2, 3], atol=1e-6)


def test_receipts_wait_for_the_snapshot(world: World) -> None:
    world.submit(SPEC)
    first, second, third = check_in_all(world, 3)
    world.report(first, (0.123456, 0, 0))
    before = everything_written(world.folder)
    assert world.work()
    assert world.standing(first) is Standing.IN_MEMORY
    # Nothing at all is written while one device is alone: neither its update nor its id.
    assert not world.snapshots()
    assert everything_written(world.folder) == before
    assert first.device not in before
    world.report(second)
    assert world.standing(second) is Standing.IN_MEMORY
    world.work()
    assert world.standing(first) is world.standing(second) is Standing.COUNTED
    assert len(world.snapshots()) == 1
    world.report(third)
    world.work()
    assert world.standing(third) is Standing.IN_MEMORY
    assert np.float32(0.123456).tobytes() not in everything_written(world.folder)


def test_evaluation_rounds_need_no_more_than_their_minimum(world: World) -> None:
    aggregation = AggregationSpec(min_snapshot_updates=2)
    evaluation = replace(COHORT, goal_count=3, minimum=1)
    world.submit(replace(SPEC, evaluate_every=1, evaluation=evaluation, aggregation=aggregation))
    for work in check_in_all(world, 4):
        world.report(work)
    world.work()
    (work,) = check_in_all(world, 1)
    assert work.assignment.kind == task_pb2.ROUND_KIND_EVALUATION
    world.report(work)
    world.work()
    assert world.standing(work) is Standing.COUNTED
    world.restart()
    assert world.standing(work) is Standing.COUNTED
    for other in check_in_all(world, 2, start=1):
        world.report(other)
    world.work()
    evaluated = world.status().rounds[1]
    assert evaluated.reported == 3
    assert {one.name: one.weight for one in evaluated.metrics} == {"loss": 6, "accuracy": 6}


def test_one_device_counts_once(world: World) -> None:
    world.submit(SPEC)
    first, second = check_in_all(world, 2)
    assert world.report(first)
    assert not world.report(first, (9, 9, 9))
    header = world.header(second)
    ticket = world.engine.reports.read_ticket(header)
    copies = [world.engine.reports.admit(ticket, header) for _ in range(2)]
    payload = np.zeros(3, np.float32).tobytes()
    import hashlib

    digest = hashlib.sha256(payload).digest()
    added = [world.engine.reports.add(copy, payload, digest) for copy in copies if copy is not None]
    assert added == [True, False]


def test_asking_again_gives_the_same_assignment_with_the_time_left(world: World) -> None:
    world.submit(SPEC)
    (first,) = check_in_all(world, 1)
    world.advance(10)
    again = world.check_in(0)
    assert again is not None
    assert again.assignment.ticket == first.assignment.ticket
    assert again.assignment.report_within.ToTimedelta() == timedelta(seconds=50)


def test_late_reports_are_told_so_and_the_rest_commits(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 6)
    for work in works[:2]:
        world.report(work, (1, 1, 1))
    world.advance(60)
    assert not world.report(works[2], (9, 9, 9))
    world.work()
    assert world.status().rounds[0].state == task_pb2.ROUND_STATE_COMMITTED
    np.testing.assert_allclose(world.weights(1), [2, 3, 4], atol=1e-6)


def test_abandoned_without_enough_devices_then_tried_again(world: World) -> None:
    world.submit(SPEC)
    (work,) = check_in_all(world, 1)
    world.report(work)
    assert world.engine.next_deadline(world.task_id) == world.now + timedelta(seconds=100)
    world.advance(100)
    world.work()
    first, second = world.status().rounds
    assert first.state == task_pb2.ROUND_STATE_ABANDONED
    assert "only 1 of at least 2" in first.reason
    assert (second.number, second.state) == (2, task_pb2.ROUND_STATE_SELECTING)
    assert world.standing(work) is Standing.GONE
    assert world.events[-1].kind is EventKind.ABANDONED


def test_withdrawn_devices_make_room(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 6)
    assert world.check_in(6) is None
    world.withdraw(works[0])
    world.withdraw(works[0])
    assert world.check_in(0) is None
    assert world.check_in(6) is not None
    assert world.status().rounds[0].withdrawn == 1
    with pytest.raises(UpdateError, match="withdrawn"):
        world.report(works[0])


def test_pause_stops_the_clock_and_resume_goes_on(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 2)
    world.engine.control("t", TaskAction.PAUSE)
    assert world.check_in(5) is None
    assert "paused" in world.ask(5).come_back.reason
    assert world.report(works[0])
    world.advance(1000)
    world.work()
    assert world.engine.next_deadline(world.task_id) is None
    assert [one.state for one in world.status().rounds] == [task_pb2.ROUND_STATE_SELECTING]
    world.engine.control("t", TaskAction.RESUME)
    world.work()
    assert len(world.status().rounds) == 1
    for work in check_in_all(world, 3, start=5):
        world.report(work)
    world.work()
    assert world.status().rounds_committed == 1


def test_cancel_drops_the_round_for_good(world: World) -> None:
    world.submit(SPEC)
    works = check_in_all(world, 3)
    for work in works[:2]:
        world.report(work)
    world.work()
    assert world.snapshots()
    world.engine.control(world.task_id, TaskAction.CANCEL)
    assert not world.snapshots()
    assert world.status().state == task_pb2.TASK_STATE_CANCELLED
    assert not world.report(works[2])
    assert world.check_in(7) is None
    assert world.engine.control(world.task_id, TaskAction.CANCEL).state == task_pb2.TASK_STATE_CANCELLED
    with pytest.raises(StateError, match="cannot be changed"):
        world.engine.control(world.task_id, TaskAction.RESUME)
    world.restart()
    assert world.engine.active_tasks() == []


def test_what_an_observer_raises_is_logged_and_changes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    told = []

    def observe(event: Event) -> None:
        told.append(event.kind)
        raise RuntimeError("the callback's own")

    world.observer = observe
    world.submit(SPEC)
    for _ in range(2):
        for work in check_in_all(world, 4):
            world.report(work)
        assert world.work()
    assert world.status().reason == "2 rounds done"
    assert told == [EventKind.SUBMITTED, EventKind.COMMITTED, EventKind.COMMITTED, EventKind.COMPLETED]
    assert caplog.text.count("RuntimeError: the callback's own") == 4


def test_an_observer_may_act_on_the_task(world: World) -> None:
    """From another thread, as with `AdminClient`: a lock held meanwhile would make it wait for ever."""
    with ThreadPoolExecutor(1) as threads:

        def observe(event: Event) -> None:
            world.events.append(event)
            if event.kind is EventKind.COMMITTED:
                threads.submit(world.engine.control, event.task_id, TaskAction.CANCEL).result(timeout=20)

        world.observer = observe
        world.submit(SPEC)
        for work in check_in_all(world, 4):
            world.report(work)
        assert world.work()
    assert world.status().state == task_pb2.TASK_STATE_CANCELLED
    assert [one.kind for one in world.events] == [EventKind.SUBMITTED, EventKind.COMMITTED, EventKind.CANCELLED]


def test_ends_at_its_target_and_the_model_stays(world: World) -> None:
    world.submit(replace(SPEC, rounds=9, evaluate_every=1, target=TargetSpec("accuracy", 0.85, False)))
    for kind in (task_pb2.ROUND_KIND_TRAINING, task_pb2.ROUND_KIND_EVALUATION):
        for work in check_in_all(world, 4):
            assert work.assignment.kind == kind
            world.report(work)
        world.work()
    status = world.status()
    assert status.state == task_pb2.TASK_STATE_COMPLETED
    assert status.reason == "target reached: accuracy 0.9000 >= 0.85"
    assert status.checkpoint_version == 1
    assert world.engine.artifact_size(status.checkpoint.sha256, None)[0] == status.checkpoint.size_bytes


def test_only_able_devices_are_asked(world: World) -> None:
    world.submit(SPEC)
    assert "protocol" in world.ask(0, protocol_version=0, encoding_stages=["float32"]).come_back.reason
    assert "float32" in world.ask(0, protocol_version=1, encoding_stages=["float16"]).come_back.reason
    answer = world.ask(0, population="other")
    assert answer.come_back.reason == "no task for population 'other'"
    assert answer.come_back.after.ToTimedelta() == timedelta(seconds=2)
    with pytest.raises(ProtocolError, match="population"):
        world.ask(0, population="not a name!")


def test_tasks_of_a_population_take_turns(world: World) -> None:
    ids = {world.submit(replace(SPEC, name=name)) for name in ("a", "b")}
    assert {work.assignment.task_id for work in check_in_all(world, 2)} == ids
    with pytest.raises(NotFoundError, match="no task 'c'"):
        world.engine.get_task("c")
    world.submit(replace(SPEC, name="a"))
    with pytest.raises(StateError, match="2 tasks have the name 'a'") as raised:
        world.engine.get_task("a")
    same = {one.task_id for one in world.engine.list_tasks("") if one.spec.name == "a"}
    assert all(task_id in str(raised.value) for task_id in same)


def test_a_task_is_found_by_the_beginning_of_its_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["abcdef" + "0" * 26, "abcdef" + "1" * 26, "123456" + "0" * 26, "f" * 32])
    real = secrets.token_hex
    monkeypatch.setattr(secrets, "token_hex", lambda nbytes: next(tokens) if nbytes == 16 else real(nbytes))
    first, second, third = (world.submit(replace(SPEC, name=name)) for name in "xyz")
    assert world.engine.get_task("123456").task_id == third
    assert world.engine.control("abcdef1", TaskAction.PAUSE).task_id == second
    with pytest.raises(StateError, match="2 tasks have an id that begins with 'abcdef'") as raised:
        world.engine.get_task("abcdef")
    assert first in str(raised.value)
    for none in ("12345", "abcdeg", "fffffe", ""):
        with pytest.raises(NotFoundError):
            world.engine.get_task(none)
    # A name goes before the beginning of an id.
    named = world.submit(replace(SPEC, name="123456"))
    assert world.engine.get_task("123456").task_id == named


def test_refused_submissions_leave_nothing_behind(world: World) -> None:
    from fieldfare.core.weights import TensorSpec, pack_weights

    other = pack_weights([TensorSpec("w", "float32", (3,))], np.zeros(3, np.float32))
    attempts = [
        {"checkpoint": other},
        {"checkpoint": b"nonsense"},
        {"plan": b"nonsense"},
        {"sent": b"too few"},
        {"sent": bytes(900)},
    ]
    for attempt in attempts:
        with pytest.raises(FieldfareError):
            world.submit(SPEC, **attempt)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"target\.metric"):
        world.submit(replace(SPEC, evaluate_every=1, target=TargetSpec("nope", 1, False)))
    world.blobs.full = True
    with pytest.raises(FieldfareError):
        world.submit(SPEC)
    assert list(world.blobs.keys()) == []
    assert list((world.folder / "incoming").iterdir()) == []
    assert world.engine.list_tasks("") == []
