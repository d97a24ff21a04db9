"""Training that a condition interrupts and that is taken up again, in another process where it has to be."""

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from fieldfare.core.plans import PlanRuntime
from fieldfare.core.sessions import Ended, Participation
from fieldfare.core.tasks import Interruption, LocalTrainingSpec
from fieldfare.core.weights import TensorSpec, pack_weights
from fieldfare.protos.v1 import aggregator_pb2, task_pb2
from fieldfare.sdk import Conditions
from tests.support.device_bench import CHECKPOINT, Bench
from tests.support.pulled_plug import Plug
from tests.support.set_clock import SetClock
from tests.support.tiny_plan import tiny_plan

# 17 examples, four in a step: five steps in a pass.
RESUME = LocalTrainingSpec(epochs=2, interruption=Interruption.RESUME, learning_rate=0.05)
ON_POWER = Conditions(on_power=True)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def resting(bench: Bench) -> Path:
    return bench.folder / "resting.npz"


def again(bench: Bench, holds: int = 1000, **changes) -> Participation:
    """Offer the assignment once more, as the aggregator does while the round lasts, and run as a new process does."""
    bench.offer(**{"local": RESUME.to_proto(), "ticket": b"one ticket"} | changes)
    return bench.once(conditions=ON_POWER, probe=Plug(holds), min_separation=timedelta(days=1))


def undisturbed(bench: Bench, tmp_path: Path, **changes) -> bytes:
    """The payload of the same round that nothing interrupts, from another folder."""
    other = Bench(tmp_path / "undisturbed", bench.store, bench.aggregator)
    other.offer(**{"local": RESUME.to_proto()} | changes)
    assert other.once().ended is Ended.COUNTED
    return bench.aggregator.reports.pop().payload


CONTROL = {"algorithm": task_pb2.ALGORITHM_SCAFFOLD}
WAYS = {
    "fedavg": {},
    "fedprox": {"algorithm": task_pb2.ALGORITHM_FEDPROX},
    "scaffold": CONTROL,
    "dsgd": {"algorithm": task_pb2.ALGORITHM_DSGD},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_update_has_the_same_bits_as_without_an_interruption(bench: Bench, tmp_path: Path, way: str) -> None:
    expected = undisturbed(bench, tmp_path, **WAYS[way])
    for steps in (0, 2, 1):
        rests = again(bench, 1 + steps, **WAYS[way])
        assert (rests.ended, rests.detail) == (Ended.IDLE, "training rests: the device is not on mains power")
        assert rests.come_back_after == timedelta(minutes=1)
        assert bench.aggregator.reports == []
        assert stat.S_IMODE(resting(bench).stat().st_mode) == 0o600
    assert again(bench, **WAYS[way]).ended is Ended.COUNTED
    (report,) = bench.aggregator.reports
    assert report.payload == expected
    assert report.header.example_count == 17
    assert not resting(bench).exists()


class Noting(PlanRuntime):
    """Notes the examples of every step."""

    seen: ClassVar[list[float]] = []

    def train_step(self, examples, *, learning_rate):
        self.seen.extend(examples["x"][:, 0].tolist())
        return super().train_step(examples, learning_rate=learning_rate)


def test_an_order_without_a_seed_is_kept_as_well(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of the pass is taken exactly once."""
    monkeypatch.setattr("fieldfare.sdk.training._litert.PlanRuntime", Noting)
    one_pass = LocalTrainingSpec(interruption=Interruption.RESUME).to_proto()
    for holds, ended in ((1 + 2, Ended.IDLE), (1000, Ended.COUNTED)):
        bench.offer(local=one_pass)
        assert bench.once(conditions=ON_POWER, probe=Plug(holds), seed=None).ended is ended
    assert len(Noting.seen) == 17
    assert sorted(Noting.seen) == sorted(bench.store.training()["x"][:, 0].tolist())


def test_a_task_that_drops_tells_the_aggregator_so(bench: Bench) -> None:
    bench.offer(local=LocalTrainingSpec(interruption=Interruption.DROP).to_proto())
    assert bench.once(conditions=ON_POWER, probe=Plug(3)).ended is Ended.WITHDRAWN
    assert bench.aggregator.reports[0].header.outcome == aggregator_pb2.OUTCOME_CONDITIONS
    assert not resting(bench).exists()


def test_a_plan_that_cannot_go_on_is_given_up(bench: Bench) -> None:
    bench.aggregator.offer(tiny_plan(settable=False), CHECKPOINT, local=RESUME.to_proto())
    assert bench.once(conditions=ON_POWER, probe=Plug(3)).ended is Ended.WITHDRAWN
    assert not resting(bench).exists()


def test_examples_that_came_later_do_not_matter(bench: Bench, tmp_path: Path) -> None:
    expected = undisturbed(bench, tmp_path)
    again(bench, 4)
    bench.store.add_many({"x": np.float32([[5], [6]]), "y": np.float32([[10], [12]])})
    assert again(bench).ended is Ended.COUNTED
    assert bench.aggregator.reports[0].payload == expected


def test_examples_that_are_deleted_count_no_more(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    again(bench, 4)
    # One of every six or seven is held out, whichever: of the first two at least one was trained on.
    bench.store.delete(1)
    bench.store.delete(2)
    expected = undisturbed(bench, tmp_path)
    assert again(bench).ended is Ended.COUNTED
    assert bench.aggregator.reports[0].payload == expected
    assert "of examples that have changed" in caplog.text


@pytest.mark.parametrize(
    "other", [{"round_number": 4}, {"task_id": "task-2"}, {"local": LocalTrainingSpec(epochs=3).to_proto()}]
)
def test_other_work_begins_at_its_beginning(bench: Bench, tmp_path: Path, other) -> None:
    if "local" in other:
        other = {"local": LocalTrainingSpec(epochs=3, interruption=Interruption.RESUME).to_proto()}
    expected = undisturbed(bench, tmp_path, **other)
    again(bench, 4)
    assert again(bench, **other).ended is Ended.COUNTED
    assert bench.aggregator.reports[0].payload == expected


def test_another_checkpoint_of_the_same_round_is_other_work(bench: Bench) -> None:
    again(bench, 4)
    specs = (TensorSpec("dense/kernel", "float32", (1, 1)), TensorSpec("dense/bias", "float32", (1,)))
    newer = pack_weights(specs, np.float32([3, 1]))
    bench.aggregator.offer(tiny_plan(), newer, local=RESUME.to_proto())
    assert bench.once().ended is Ended.COUNTED
    assert not resting(bench).exists()


def test_a_damaged_file_costs_a_new_beginning(bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = undisturbed(bench, tmp_path)
    again(bench, 4)
    whole = resting(bench).read_bytes()
    with np.load(resting(bench)) as content:
        kept = dict(content)
    meta = json.loads(kept["meta"].tobytes())
    broken = [
        b"",
        whole[: len(whole) // 2],
        changed(tmp_path, kept, None),
        changed(tmp_path, kept, meta | {"left_s": "long"}),
        changed(tmp_path, kept, meta | {"rows": None}),
        changed(tmp_path, kept, meta | {"progress": meta["progress"] | {"order": {"state": 3}}}),
        changed(tmp_path, kept, meta | {"since": 3}),
    ]
    for content in broken:
        resting(bench).write_bytes(content)
        caplog.clear()
        (bench.folder / "pace.json").unlink(missing_ok=True)
        assert again(bench, 1000, round_number=3).ended is Ended.COUNTED
        assert bench.aggregator.reports.pop().payload == expected
        assert "the training that rested there is given up" in caplog.text


def changed(folder: Path, content, meta) -> bytes:
    words = np.zeros(3, np.uint8) if meta is None else np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez(folder / "changed.npz", **content | {"meta": words})
    return (folder / "changed.npz").read_bytes()


def test_it_rests_no_longer_than_the_assignment_lasts(bench: Bench) -> None:
    clock = SetClock()
    bench.offer(local=RESUME.to_proto(), report_within=Duration(seconds=600))
    bench.once(conditions=ON_POWER, probe=Plug(4), clock=clock)
    clock.at += 500
    bench.once(conditions=ON_POWER, probe=Plug(0), clock=clock)
    assert resting(bench).exists()
    clock.at += 100
    bench.once(conditions=ON_POWER, probe=Plug(0), clock=clock)
    assert not resting(bench).exists()


def test_what_was_trained_after_the_deadline_does_not_rest(bench: Bench) -> None:
    clock = SetClock()

    class Slow(Plug):
        def on_power(self) -> bool:
            clock.at += 100
            return super().on_power()

    bench.offer(local=RESUME.to_proto(), report_within=Duration(seconds=250))
    gone = bench.once(conditions=ON_POWER, probe=Slow(1000), clock=clock)
    assert (gone.ended, gone.detail) == (Ended.WITHDRAWN, "the time to report is over")
    assert not resting(bench).exists()


def test_measuring_after_training_may_be_interrupted_too(bench: Bench, tmp_path: Path) -> None:
    # Three held-out examples: one step of measuring before, ten of training, one of measuring after.
    asked = {"local": LocalTrainingSpec(epochs=2, local_metrics=True, interruption=Interruption.RESUME).to_proto()}
    expected = undisturbed(bench, tmp_path, **asked)
    for holds in (1, 1 + 1, 1 + 1 + 10, 1 + 1):
        assert again(bench, holds, **asked).detail.startswith("training rests")
    assert again(bench, 1 + 1 + 1, **asked).ended is Ended.COUNTED
    assert bench.aggregator.reports[0].payload == expected


def test_forgetting_forgets_it(bench: Bench) -> None:
    again(bench, 4)
    with bench.device() as device:
        device.forget()
    assert not resting(bench).exists()


RUN_UNTIL_STOPPED = """
import sys, threading
from fieldfare.sdk import Conditions, Device, ExampleStore, SystemProbe

class Stops(SystemProbe):
    asked = 0
    def on_power(self):
        self.asked += 1
        if self.asked == 5:
            stop.set()
        return True

stop = threading.Event()
with ExampleStore.open(sys.argv[1]) as store, Device(
    sys.argv[2], aggregator=sys.argv[3], population="digits", store=store, seed=1,
    conditions=Conditions(on_power=True), probe=Stops(),
) as device:
    device.run_forever(stop, lambda one: print(one.ended.value, one.detail))
"""


def test_a_service_that_is_stopped_goes_on_where_it_was(bench: Bench, tmp_path: Path) -> None:
    expected = undisturbed(bench, tmp_path)
    bench.offer(local=RESUME.to_proto())
    command = [sys.executable, "-c", RUN_UNTIL_STOPPED, str(bench.store.path), str(bench.folder)]
    subprocess.run([*command, bench.aggregator.address], check=True, timeout=120)
    assert resting(bench).exists()
    assert bench.aggregator.reports == []
    assert again(bench).ended is Ended.COUNTED
    assert bench.aggregator.reports[0].payload == expected
