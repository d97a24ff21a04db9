"""A snapshot waits for company, but a round's end and a shutdown do not wait for it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.aggregator.settings import EngineSettings
from fieldfare.core.tasks import CohortSpec, TaskSpec
from tests.integration.aggregator.fleet import ACCEPTED, PENDING, Device, connect
from tests.unit.aggregator.world import PLAN


def run(settings: EngineSettings, state: Path, goal: int) -> list[int]:
    """Statuses of two reports in a round that wants `goal` of them."""
    cohort = CohortSpec(goal, 2, 1.0)
    spec = TaskSpec("t", "p", rounds=1, training=cohort, evaluation=cohort, evaluate_every=0)
    with Aggregator(state, settings=ServerSettings(engine=settings)) as aggregator:
        with AdminClient(aggregator.admin_address) as admin:
            admin.submit(PLAN, spec, weights=np.array([1, 2, 3], np.float32))
        fleet = [Device(index, connect(aggregator.address)) for index in range(2)]
        assert all(device.check_in() is not None for device in fleet)
        with ThreadPoolExecutor(2) as threads:
            return [receipt.status for receipt in threads.map(Device.report, fleet)]


def test_a_round_that_is_complete_does_not_wait(tmp_path: Path) -> None:
    settings = EngineSettings(gather=timedelta(hours=1), receipt_wait=timedelta(hours=1))
    assert run(settings, tmp_path / "state", goal=2) == [ACCEPTED, ACCEPTED]


def test_what_waits_for_company_is_written_at_the_shutdown(tmp_path: Path) -> None:
    settings = EngineSettings(gather=timedelta(hours=1), receipt_wait=timedelta(milliseconds=1))
    assert run(settings, tmp_path / "state", goal=3) == [PENDING, PENDING]
    assert len(list((tmp_path / "state" / "blobs" / "snapshots").rglob("2-*"))) == 1


def test_after_a_moment_it_is_written(tmp_path: Path) -> None:
    settings = EngineSettings(gather=timedelta(milliseconds=20), receipt_wait=timedelta(hours=1))
    assert run(settings, tmp_path / "state", goal=3) == [ACCEPTED, ACCEPTED]
