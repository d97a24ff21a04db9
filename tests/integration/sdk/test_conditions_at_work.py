"""Conditions before a round and in the midst of it, with a real plan on the real runtime."""

from datetime import timedelta

import pytest

from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.protos.v1 import aggregator_pb2, task_pb2
from fieldfare.sdk import Conditions, LiteRtTrainer, Network, NetworkKind, SystemProbe
from tests.support.device_bench import Bench
from tests.support.pulled_plug import Plug
from tests.support.scripted_aggregator import CHUNK

ON_POWER = Conditions(on_power=True)


def steps_taken(trainer: LiteRtTrainer) -> int:
    """As the plan itself has counted them."""
    assert trainer._runtime is not None
    return int(trainer._runtime.get_state()["steps"])


def test_nothing_is_asked_of_the_aggregator_while_a_condition_does_not_hold(bench: Bench) -> None:
    idle = bench.once(conditions=ON_POWER, probe=Plug(0))
    assert (idle.ended, idle.detail) == (Ended.IDLE, "the device is not on mains power")
    assert idle.come_back_after == timedelta(minutes=1)
    assert bench.aggregator.check_ins == []


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_condition_that_fails_ends_training_before_the_next_step(bench: Bench, steps: int) -> None:
    # Ten steps: two passes over 17 examples, four at a time.
    bench.offer(local=LocalTrainingSpec(epochs=2).to_proto())
    trainer, plug = LiteRtTrainer(), Plug(1 + steps)
    gone = bench.once(conditions=ON_POWER, probe=plug, trainer=trainer)
    assert (gone.ended, gone.detail) == (Ended.WITHDRAWN, "the device is not on mains power")
    assert steps_taken(trainer) == steps
    # Once before the check-in, and once before each step that was taken and the one that was not.
    assert plug.asked == 1 + steps + 1
    assert bench.aggregator.reports[0].header.outcome == aggregator_pb2.OUTCOME_CONDITIONS
    assert bench.aggregator.reports[0].payload == b""


def test_evaluation_ends_as_well(bench: Bench) -> None:
    bench.offer(kind=task_pb2.ROUND_KIND_EVALUATION)
    gone = bench.once(conditions=ON_POWER, probe=Plug(1))
    assert (gone.ended, gone.detail) == (Ended.WITHDRAWN, "the device is not on mains power")


def test_a_round_goes_through_while_the_conditions_hold(bench: Bench) -> None:
    bench.offer()
    assert bench.once(conditions=ON_POWER, probe=Plug(1000)).ended is Ended.COUNTED


class Roaming(SystemProbe):
    """Leaves its owner's network after so many questions."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.left = holds

    def network(self) -> Network:
        self.left -= 1
        return Network(NetworkKind.WIRELESS, metered=self.left < 0)


UNMETERED = Conditions(unmetered=True)
AWAY = "waits for another network: the network is metered (wireless)"


def test_a_download_waits_for_its_network_and_goes_on_there(bench: Bench) -> None:
    for _ in range(2):
        bench.offer()
    # The check-in, two pieces of a kilobyte, and no third.
    left = bench.once(conditions=UNMETERED, probe=Roaming(3))
    assert (left.ended, left.detail, left.come_back_after) == (Ended.IDLE, AWAY, timedelta(minutes=1))
    assert bench.once(conditions=UNMETERED, probe=Roaming(0)).detail == "the network is metered (wireless)"
    assert len(bench.aggregator.check_ins) == 1
    assert (
        bench.once(conditions=UNMETERED, probe=Roaming(10**6), min_separation=timedelta(days=1)).ended is Ended.COUNTED
    )
    assert [one.offset for one in bench.aggregator.fetches[:2]] == [0, 2 * CHUNK]


def test_an_update_waits_for_its_network(bench: Bench) -> None:
    bench.offer()
    probe = Roaming(10**6)

    class Leaves(LiteRtTrainer):
        """The device leaves home with the last step."""

        def train(self, *arguments, **named):
            done = super().train(*arguments, **named)
            probe.left = 0
            return done

    left = bench.once(conditions=UNMETERED, probe=probe, trainer=Leaves())
    assert (left.ended, left.detail) == (Ended.IDLE, AWAY)
    assert bench.aggregator.reports == []
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_UNKNOWN)
    assert (
        bench.once(conditions=UNMETERED, probe=Roaming(10**6), min_separation=timedelta(days=1)).ended is Ended.COUNTED
    )
    asked, sent = bench.aggregator.reports
    assert asked.header.receipt_only
    assert sent.payload
