"""Training that rests while its conditions do not hold, with the aggregator itself: its round waits, and counts it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from fieldfare.aggregator import AdminClient, Aggregator, ServerSettings
from fieldfare.core.rounds import PaceSettings
from fieldfare.core.sessions import Ended, Participation
from fieldfare.core.tasks import AggregationSpec, CohortSpec, Interruption, LocalTrainingSpec, TaskSpec
from fieldfare.core.weights import unpack_weights
from fieldfare.sdk import Conditions, Device, ExampleStore
from tests.support.pulled_plug import Plug
from tests.support.tiny_plan import tiny_manifest, tiny_plan

LIMIT = timedelta(minutes=5)
ALONE = CohortSpec(1, 1, 1.0, LIMIT, LIMIT)
SPEC = TaskSpec(
    "t",
    "p",
    rounds=1,
    training=ALONE,
    evaluation=ALONE,
    evaluate_every=0,
    local=LocalTrainingSpec(epochs=2, interruption=Interruption.RESUME),
    aggregation=AggregationSpec(min_snapshot_updates=1),
)
SETTINGS = ServerSettings(pace=PaceSettings(shortest=timedelta(milliseconds=10)))


def federated(folder: Path, pulls: list[int]) -> tuple[list[Participation], np.ndarray]:
    """The participations of a device that is unplugged after so many questions each time, and the committed weights."""
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    folder.mkdir()
    with (
        Aggregator(folder / "state", settings=SETTINGS) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
        ExampleStore.create(folder / "s.db", tiny_manifest().example_specs, held_out_share=0) as store,
    ):
        store.add_many({"x": x, "y": 2 * x})
        task = admin.submit(tiny_plan(), replace(SPEC)).task_id
        ends = []
        for holds in [*pulls, 1000]:
            # A device of its own each time, as after a restart.
            with Device(
                folder / "device",
                aggregator=aggregator.address,
                population="p",
                store=store,
                seed=3,
                conditions=Conditions(on_power=True),
                probe=Plug(holds),
            ) as device:
                ends.append(device.run_once())
        status = admin.show(task)
        return ends, unpack_weights(admin.fetch(status.checkpoint))[1]


def test_the_round_waits_for_training_that_rests(tmp_path: Path) -> None:
    (counted,), expected = federated(tmp_path / "undisturbed", [])
    assert counted.ended is Ended.COUNTED
    ends, weights = federated(tmp_path / "disturbed", [1 + 3, 0, 1 + 2])
    assert [one.ended for one in ends] == [Ended.IDLE, Ended.IDLE, Ended.IDLE, Ended.COUNTED]
    assert [one.detail for one in ends[:3]] == [
        "training rests: the device is not on mains power",
        "the device is not on mains power",
        "training rests: the device is not on mains power",
    ]
    np.testing.assert_array_equal(weights.view(np.uint32), expected.view(np.uint32))
    assert np.abs(weights).max() > 0.1
