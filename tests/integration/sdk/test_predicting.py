"""Prediction: offline, while the device trains, from another process, and with damaged files."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import NotFoundError, PlanError
from fieldfare.core.plans import attach_manifest
from fieldfare.core.sessions import Ended
from fieldfare.core.weights import pack_weights, sha256
from fieldfare.sdk import Device
from fieldfare.sdk.device import DeviceFolder, Predictor
from fieldfare.sdk.training import LiteRtTrainer
from tests.support.device_bench import MANIFEST, Bench
from tests.support.tiny_plan import tiny_manifest, tiny_plan

INPUTS = {"x": np.float32([[1], [2], [3], [4], [5]])}
NEWEST, PREVIOUS = np.float32([3, 1]), np.float32([2, -1])


def offer(bench: Bench, weights: np.ndarray, version: int, plan: bytes | None = None) -> None:
    checkpoint = pack_weights(MANIFEST.weight_specs, weights)
    bench.aggregator.offer(plan or tiny_plan(), checkpoint, checkpoint_version=version)


@pytest.fixture
def two(bench: Bench) -> Bench:
    """A device that has had three checkpoints."""
    with bench.device() as device:
        for version, weights in enumerate((np.float32([9, 9]), PREVIOUS, NEWEST)):
            offer(bench, weights, version)
            assert device.run_once(early=True).ended is Ended.COUNTED
    return bench


def is_by(weights: np.ndarray, predicted) -> bool:
    return np.allclose(predicted["dense"], weights[0] * INPUTS["x"] + weights[1])


def cached(bench: Bench, which: str, kind: str = "checkpoint") -> Path:
    pairs = json.loads((bench.folder / "current.json").read_text())
    return bench.folder / "cache" / pairs[which][kind]


def test_the_previous_checkpoint_at_wish(two: Bench) -> None:
    with two.device() as device:
        assert is_by(NEWEST, device.predict(INPUTS))
        assert is_by(PREVIOUS, device.predict(INPUTS, previous=True))
        assert is_by(NEWEST, device.predict(INPUTS))


def test_the_app_falls_back_until_something_newer_is_there(two: Bench) -> None:
    with two.device() as device:
        assert device.fall_back().version == 1
        assert is_by(PREVIOUS, device.predict(INPUTS))
        with pytest.raises(NotFoundError, match="no previous checkpoint"):
            device.fall_back()
        with pytest.raises(NotFoundError, match="no previous checkpoint"):
            device.predict(INPUTS, previous=True)
        # The checkpoint that was left is handed out again, and worked with, but does not come back.
        offer(two, NEWEST, 2)
        assert device.run_once(early=True).ended is Ended.COUNTED
        assert is_by(PREVIOUS, device.predict(INPUTS))
        offer(two, np.float32([7, 7]), 3)
        assert device.run_once(early=True).ended is Ended.COUNTED
        assert is_by(np.float32([7, 7]), device.predict(INPUTS))
        assert is_by(PREVIOUS, device.predict(INPUTS, previous=True))


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "folder"])
def test_a_newest_checkpoint_that_is_damaged_gives_way_to_the_previous(
    two: Bench, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = cached(two, "current")
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "folder":
        path.mkdir()
    predictor = Predictor(DeviceFolder(two.folder))
    for _ in range(3):
        assert is_by(PREVIOUS, predictor.predict(INPUTS))
    assert caplog.text.count("version 2 of task task-1 cannot be used") == 1
    # Another round brings the file again.
    with two.device() as device:
        if damage == "folder":
            path.rmdir()
        offer(two, NEWEST, 2)
        assert device.run_once(early=True).ended is Ended.COUNTED
    assert is_by(NEWEST, predictor.predict(INPUTS))


def test_nothing_usable_says_why(two: Bench) -> None:
    for which in ("current", "previous"):
        cached(two, which).write_bytes(b"no weights")
    with pytest.raises(NotFoundError, match="gone from the cache, or were damaged: take part in a round again"):
        Predictor(DeviceFolder(two.folder)).predict(INPUTS)


class Loads:
    """Counts how often a plan is read as such."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from fieldfare.core.plans import PlanRuntime

        self.count = 0
        init = PlanRuntime.__init__

        def counted(runtime: PlanRuntime, *arguments, **named) -> None:
            self.count += 1
            init(runtime, *arguments, **named)

        monkeypatch.setattr(PlanRuntime, "__init__", counted)


def test_a_plan_that_the_runtime_refuses_is_tried_once(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whole, with a right digest, but without the graph of `infer` that its manifest speaks of.
    manifest = tiny_manifest()
    bad = attach_manifest(tiny_plan().replace(b"infer\0", b"infex\0"), manifest)
    folder = DeviceFolder(two.folder)
    digest = sha256(bad).hex()
    (two.folder / "cache" / digest).write_bytes(bad)
    current = folder.models.current
    assert current is not None
    folder.current = type(current)(digest, current.checkpoint, 9, "bad")
    loads = Loads(monkeypatch)
    predictor = Predictor(folder)
    for _ in range(3):
        assert is_by(NEWEST, predictor.predict(INPUTS))
    assert loads.count == 2
    with pytest.raises(PlanError, match="no signature infer"):
        LiteRtTrainer().load(two.folder / "cache" / digest, digest)


def test_a_cache_that_is_too_small_keeps_both(bench: Bench) -> None:
    with bench.device(cache_limit_bytes=len(tiny_plan())) as device:
        for version in range(5):
            offer(bench, np.float32([version, 0]), version)
            assert device.run_once(early=True).ended is Ended.COUNTED
        assert is_by(np.float32([4, 0]), device.predict(INPUTS))
        assert is_by(np.float32([3, 0]), device.predict(INPUTS, previous=True))


PREDICT = """
import sys, numpy as np
from fieldfare.sdk.device import DeviceFolder, Predictor
print(Predictor(DeviceFolder(sys.argv[1])).predict({"x": np.float32([[1]])})["dense"].tolist())
"""


class Slow:
    """A trainer that, in the middle of training, lets the app predict."""

    def __init__(self, in_between) -> None:
        self._inner, self._in_between = LiteRtTrainer(), in_between
        self.load, self.evaluate = self._inner.load, self._inner.evaluate

    def train(self, *arguments, interrupt, **named):
        asked = []

        def interrupted() -> str:
            if len(asked) == 1:
                self._in_between()
            asked.append(True)
            return interrupt()

        return self._inner.train(*arguments, interrupt=interrupted, **named)


def test_prediction_during_training_from_a_thread_and_from_another_process(bench: Bench) -> None:
    offer(bench, NEWEST, 1)
    seen: list[object] = []
    device: Device

    def predict() -> None:
        thread = threading.Thread(target=lambda: seen.append(device.predict(INPUTS)))
        thread.start()
        thread.join(60)
        command = [sys.executable, "-c", PREDICT, str(bench.folder)]
        seen.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    with bench.device(trainer=Slow(predict)) as device:
        assert device.run_once().ended is Ended.COUNTED
    thread, process = seen
    assert is_by(NEWEST, thread)
    assert process == "[[4.0]]\n"
