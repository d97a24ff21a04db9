"""Training that rests: what it has cost already counts, and what cannot be kept is given up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from fieldfare.core.tasks import Interruption, LocalTrainingSpec
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.pace import Moment
from fieldfare.sdk.training import Job, Rest, RestFile, Resting, do_work
from tests.unit.sdk.training.regression import Source, assignment

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Work:
    """One assignment, worked at by one process after the other; each step takes a second."""

    def __init__(self, files, trainer, kept: Path, *, left: timedelta = timedelta(hours=1), **local) -> None:
        self.files, self.trainer, self.seconds, self.steps = files, trainer, 0.0, 0
        self.assignment = assignment(
            local=LocalTrainingSpec(learning_rate=0.01, interruption=Interruption.RESUME, **local)
        )
        self.rest = Rest(RestFile(kept), lambda: Moment(NOON, "boot", self.seconds), lambda: left)

    def run(self, steps: int):
        """Up to so many steps; the result, or None where it rests."""
        self.steps = 0

        def interrupt() -> str:
            self.seconds += 1
            self.steps += 1
            return "enough for now" if self.steps > steps else ""

        try:
            return do_work(
                Job(self.assignment, *self.files),
                self.trainer,
                Source(),
                rng=np.random.default_rng(1),
                interrupt=interrupt,
                clock=lambda: self.seconds,
                rest=self.rest,
            )
        except Resting:
            return None


def test_the_time_before_an_interruption_counts(files, trainer, tmp_path: Path) -> None:
    undisturbed = Work(files, trainer, tmp_path / "a", epochs=10, max_seconds=5)
    assert undisturbed.run(100) is not None
    assert undisturbed.steps == 5
    work = Work(files, trainer, tmp_path / "b", epochs=10, max_seconds=5)
    assert work.run(2) is None
    # The question that was answered with no took a second, too: two are left.
    assert work.run(100) is not None
    assert work.steps == 2


def test_nothing_rests_beyond_the_assignment(files, trainer, tmp_path: Path) -> None:
    work = Work(files, trainer, tmp_path / "a", epochs=10, left=timedelta(0))
    result = work.run(2)
    assert result.outcome == aggregator_pb2.OUTCOME_CONDITIONS
    assert work.rest.file.is_empty


def test_a_disk_that_takes_nothing_ends_the_work(files, trainer, tmp_path: Path) -> None:
    result = Work(files, trainer, tmp_path / "absent" / "a", epochs=10).run(2)
    assert result.outcome == aggregator_pb2.OUTCOME_FAILED
    assert "cannot write" in result.detail
