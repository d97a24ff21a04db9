"""Two engines over one data base and one folder of blobs."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from fieldfare.core.tasks import AggregationSpec, CohortSpec
from tests.unit.aggregator.world import SPEC, Work, World

EIGHT = CohortSpec(8, 4, 1.5, timedelta(seconds=100), timedelta(seconds=60))
WIDE = replace(SPEC, training=EIGHT, aggregation=AggregationSpec(min_snapshot_updates=2))


class Pair:
    """Two replicas; `sync` lets both look at what the other has written."""

    def __init__(self, folder: Path) -> None:
        self.red = World(folder, replica="red")
        self.blue = World(folder, replica="blue")

    def submit(self, spec: object = WIDE) -> None:
        self.red.submit(spec)  # type: ignore[arg-type]
        self.blue.task_id = self.red.task_id
        self.blue.engine.look_around()
        self.sync()

    def sync(self) -> None:
        for _ in range(2):
            assert self.red.work()
            assert self.blue.work()

    def advance(self, seconds: float) -> None:
        self.red.advance(seconds)
        self.blue.advance(seconds)


def check_in(world: World, *indices: int) -> list[Work]:
    """Ask until places were claimed."""
    works = []
    for index in indices:
        if (work := world.check_in(index)) is None:
            assert world.work()
            work = world.check_in(index)
        assert work is not None
        works.append(work)
    return works
