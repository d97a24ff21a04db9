"""Whatever happens in whatever order: nothing acknowledged is lost, nothing counts twice, nothing commits below the
minimum, nothing is kept in memory for rounds that are over. Hypothesis makes up the operations; a failing list of them
is printed and can be kept as a test."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fieldfare.aggregator.engine._accumulator import Accumulator
from fieldfare.aggregator.settings import EngineSettings, ServerSettings
from fieldfare.core.errors import StorageError, UpdateError
from fieldfare.core.tasks import TaskAction
from tests.unit.aggregator.histories import FLEET, KINDS, History
from tests.unit.aggregator.world import World, device_id

devices = st.integers(0, FLEET - 1)
ABLE = {"protocol_version": 1, "encoding_stages": ["float32"]}
UNABLE = {"protocol_version": 1, "encoding_stages": ["float16"]}


class ExactlyOnce(RuleBasedStateMachine):
    @initialize(
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique_by=lambda spec: spec.name),
        held_bytes=st.sampled_from([0, 30, 2**20]),
    )
    def submit(self, kinds: list[Any], held_bytes: int) -> None:
        # In memory where there is such a folder: thousands of commits wait for a disk otherwise.
        memory = Path("/dev/shm")  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        world = World(self.folder / "state", ServerSettings(engine=EngineSettings(max_held_bytes=held_bytes)))
        self.history = History(world)
        # pytest keeps what is logged: errors, and by their frames the sums of rounds that are over.
        logging.disable(logging.CRITICAL)
        self._watch_sums()
        for spec in kinds:
            self.history.submit(spec)

    def _watch_sums(self) -> None:
        live, make = self.history.live, Accumulator.__init__

        def made(accumulator: Accumulator, *args: Any, **named: Any) -> None:
            live.add(accumulator)
            make(accumulator, *args, **named)

        self.watch = mock.patch.object(Accumulator, "__init__", made)
        self.watch.start()

    @rule(indices=st.sets(devices, min_size=1), able=st.sampled_from([True, True, True, False]))
    def check_in(self, indices: set[int], able: bool) -> None:
        for index in sorted(indices):
            self.history.check_in(index, **(ABLE if able else UNABLE))

    @rule()
    def a_whole_round(self) -> None:
        self.check_in(set(range(FLEET)), True)
        self.everybody_reports()
        self.work()

    @rule(lost=st.integers(1, 3))
    def a_whole_round_of_lost_answers(self, lost: int) -> None:
        self.check_in(set(range(FLEET)), True)
        self.everybody_reports()
        self.history.world.database.after = lost
        for _ in range(3):
            self.work()

    @rule(chosen=st.data())
    def report(self, chosen: st.DataObject) -> None:
        """Also reports that were made before, and those of rounds that are long over."""
        if self.history.works:
            keys = st.lists(st.sampled_from(sorted(self.history.works)), min_size=1, max_size=4)
            self._report(chosen.draw(keys))

    @rule()
    def everybody_reports(self) -> None:
        self._report(list(self.history.works))

    def _report(self, keys: list[tuple[str, bytes, int]]) -> None:
        for key in keys:
            with contextlib.suppress(UpdateError):
                # Refused only where the device has withdrawn.
                self.history.report(key)

    @rule(chosen=st.data())
    def withdraw(self, chosen: st.DataObject) -> None:
        if self.history.works:
            key = chosen.draw(st.sampled_from(sorted(self.history.works)))
            self.history.world.withdraw(self.history.works[key])

    @rule(chosen=st.data())
    def drop(self, chosen: st.DataObject) -> None:
        """A device loses its assignment, and will not report."""
        if self.history.works:
            del self.history.works[chosen.draw(st.sampled_from(sorted(self.history.works)))]

    @rule()
    def work(self) -> None:
        self.history.work()

    @rule(seconds=st.sampled_from([1, 30, 60, 100]))
    def advance(self, seconds: int) -> None:
        self.history.world.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.history.world.restart()

    @rule(full=st.sampled_from([True, False, False]))
    def disk(self, full: bool) -> None:
        self.history.world.blobs.full = full

    @rule(fault=st.sampled_from(["before", "after", "blind"]), times=st.integers(1, 3))
    def failing_data_base(self, fault: str, times: int) -> None:
        setattr(self.history.world.database, fault, times)

    @rule(method=st.sampled_from(["begin_round", "save_snapshot", "commit_round", "abandon_round"]))
    def lose_the_answer_to(self, method: str) -> None:
        """Any answer may be lost, but by chance alone it is hardly ever that to the beginning of a round."""
        self.history.world.database.lose.add(method)

    @rule(action=st.sampled_from([TaskAction.RESUME, TaskAction.PAUSE, TaskAction.RESUME]), chosen=st.data())
    def control(self, action: TaskAction, chosen: st.DataObject) -> None:
        if active := self.history.world.engine.active_tasks():
            with contextlib.suppress(StorageError):
                # A task that is being read again says so.
                self.history.world.engine.control(chosen.draw(st.sampled_from(sorted(active))), action)

    @precondition(lambda self: len(self.history.works) > FLEET)
    @rule(chosen=st.data())
    def cancel(self, chosen: st.DataObject) -> None:
        if active := self.history.world.engine.active_tasks():
            task = chosen.draw(st.sampled_from(sorted(active)))
            with contextlib.suppress(StorageError):
                self.history.world.engine.control(task, TaskAction.CANCEL)
                self.history.spoilt.add(task)

    @precondition(lambda self: len(self.history.works) > FLEET and self.history.world.snapshots())
    @rule()
    def damage_a_snapshot(self) -> None:
        """Its task fails at the next start; nobody else notices."""
        key = self.history.world.snapshots()[0]
        path = self.history.world.folder / "blobs" / key
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
        self.history.spoilt.add(key.split("/")[1])
        self.history.world.restart()

    @invariant()
    def everything_holds(self) -> None:
        self.history.check()

    def teardown(self) -> None:
        if not hasattr(self, "history"):
            return
        try:
            self.history.every_task_moves_on()
        finally:
            self.watch.stop()
            logging.disable(logging.NOTSET)
            self.history.world.database.close()
            shutil.rmtree(self.folder)


ExactlyOnce.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestExactlyOnce = ExactlyOnce.TestCase


def test_the_fleet_has_ids_of_its_own() -> None:
    assert len({device_id(index) for index in range(FLEET)}) == FLEET


def replay(*steps: Callable[[ExactlyOnce], object], kinds: tuple[Any, ...] = KINDS[:1]) -> None:
    """A list of operations that was found once, as it was found."""
    machine = ExactlyOnce()
    machine.submit(list(kinds), 0)
    try:
        for step in steps:
            step(machine)
            machine.everything_holds()
    finally:
        machine.teardown()


def test_a_round_begins_though_its_beginning_was_not_answered() -> None:
    """Beginning it again once ran into the row that was there already, for ever."""
    for spec in KINDS:
        replay(
            lambda machine: machine.lose_the_answer_to("begin_round"),
            ExactlyOnce.a_whole_round,
            ExactlyOnce.work,
            kinds=(spec,),
        )
