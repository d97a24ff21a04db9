"""Fifty thousand devices, minute by minute, on a clock that the test moves: neither a stampede nor starvation."""

import heapq
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from fieldfare.aggregator.engine import Waiter, WaitingRoom
from fieldfare.aggregator.settings import EngineSettings, ServerSettings
from fieldfare.core.rounds import PaceSettings
from fieldfare.protos.v1 import aggregator_pb2
from tests.unit.aggregator.world import CAPABILITIES, COHORT, SPEC, World, check_in_all, device_id

DEVICES = 50_000
PER_S = 200.0
STEADY_S = DEVICES / PER_S
ROOM, WAIT_S = 500, 20.0


class Fleet:
    """Devices that call when they are told to, hold the call open where they may, and note when they called."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.start = world, world.now
        self.room = WaitingRoom(world.engine, ROOM)
        chance = np.random.default_rng(seed)
        self.world.uniform = chance.random
        # After an outage everybody calls within a minute.
        self.events = [(float(at), index, False) for index, at in enumerate(chance.uniform(0, 60, DEVICES))]
        heapq.heapify(self.events)
        self.calls: Counter[int] = Counter()
        self.last = np.full(DEVICES, -np.inf)
        self.longest_gap = 0.0
        self.waiting: dict[int, Waiter] = {}

    def run(self, until_s: float) -> None:
        while self.events[0][0] < until_s:
            at, index, leaves = heapq.heappop(self.events)
            self.world.now = self.start + timedelta(seconds=at)
            if leaves:
                self.room.leave(self.waiting.pop(index))
                self._come_back(at, index, self.room.nothing_yet("p"))
            else:
                self._call(at, index)

    def _call(self, at: float, index: int) -> None:
        self.calls[int(at // 10)] += 1
        if at > STEADY_S:
            self.longest_gap = max(self.longest_gap, at - self.last[index])
        self.last[index] = at
        request = aggregator_pb2.CheckInRequest(population="p", device_id=device_id(index), capabilities=CAPABILITIES)
        answer = self.world.engine.check_in(request)
        waiter = Waiter(request, lambda _: None)
        if self.room.enter(waiter):
            self.waiting[index] = waiter
            heapq.heappush(self.events, (at + WAIT_S, index, True))
        else:
            self._come_back(at, index, answer)

    def _come_back(self, at: float, index: int, answer: aggregator_pb2.CheckInResponse) -> None:
        after = answer.come_back.after.ToTimedelta().total_seconds()
        heapq.heappush(self.events, (at + after, index, False))


@pytest.mark.slow
def test_a_large_fleet_neither_stampedes_nor_starves(tmp_path: Path) -> None:
    settings = ServerSettings(pace=PaceSettings(check_ins_per_s=PER_S), engine=EngineSettings(max_waiting=ROOM))
    world = World(tmp_path / "state", settings)
    # Its one place is taken, so there is work to wait for and none to be had.
    world.submit(replace(SPEC, training=replace(COHORT, goal_count=2, over_selection=1.0)))
    check_in_all(world, 2, DEVICES)
    fleet = Fleet(world, seed=5)
    fleet.run(2.5 * STEADY_S)
    settled = [fleet.calls[slot] / 10 for slot in range(int(STEADY_S // 10), int(2.5 * STEADY_S // 10))]
    # Half to one and a half times what the operator asked for, in every ten seconds.
    assert max(settled) <= 1.5 * PER_S
    assert min(settled) >= 0.5 * PER_S
    # Nobody is forgotten: half as long again as the interval, the wait in the call, and the error of the estimate.
    assert fleet.longest_gap <= 1.6 * STEADY_S + WAIT_S
    assert len(fleet.room) >= 0.9 * ROOM
    world.database.close()
