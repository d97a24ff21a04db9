"""A device's own weights beside the federated ones: what it predicts with, what it sends, what is left of it."""

import threading
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.errors import NotFoundError, PlanError, StateError
from fieldfare.core.sessions import Ended
from fieldfare.core.tasks import LocalTrainingSpec
from fieldfare.core.weights import pack_weights
from fieldfare.sdk import Conditions, Limits, Personal, SystemProbe
from fieldfare.sdk.device import DeviceFolder, Predictor
from fieldfare.sdk.personal import PersonalFile, PersonalRecord
from fieldfare.sdk.store import ExampleStore
from fieldfare.sdk.training import LiteRtTrainer
from tests.support.device_bench import CHECKPOINT, MANIFEST, Bench
from tests.support.scripted_aggregator import ScriptedAggregator
from tests.support.tiny_plan import tiny_manifest, tiny_plan

# The device's examples are y = 2 x; the shared model says 0.5 x - 0.25.
INPUTS = {"x": np.float32([[1], [2]])}
SHARED = [[0.25], [0.75]]
MINE = Personal(local=LocalTrainingSpec(epochs=40, learning_rate=0.2))


def rounds(bench: Bench, versions: int, **changes) -> None:
    with bench.device(**changes) as device:
        for version in range(versions):
            checkpoint = pack_weights(MANIFEST.weight_specs, np.float32([0.5 + version, -0.25]))
            bench.aggregator.offer(tiny_plan(), checkpoint, checkpoint_version=version)
            assert device.run_once(early=True).ended is Ended.COUNTED


def test_a_device_predicts_with_its_own_weights_and_sends_none_of_them(bench: Bench, tmp_path: Path) -> None:
    bench.offer()
    with bench.device(personal=MINE) as device:
        assert device.run_once().ended is Ended.COUNTED
        np.testing.assert_allclose(device.predict(INPUTS)["dense"], 2 * INPUTS["x"], atol=1e-3)
        assert device.predict(INPUTS, personal=False)["dense"].tolist() == SHARED
        record = device.personal
    assert record is not None
    assert record.kept
    assert record.own["loss"] < 1e-4 < record.shared["loss"]
    assert (record.version, record.task, record.tensors) == (2, "task-1", ("dense/kernel", "dense/bias"))
    bench.check_ledger()
    # The very same update leaves a device that keeps no weights of its own.
    with ScriptedAggregator() as aggregator:
        plain = Bench(tmp_path / "plain", bench.store, aggregator)
        plain.offer()
        assert plain.once().ended is Ended.COUNTED
    (sent,), (expected,) = bench.aggregator.reports, aggregator.reports
    assert sent.payload == expected.payload
    assert (sent.header.metrics, sent.header.tensors) == (expected.header.metrics, expected.header.tensors)
    assert bench.aggregator.bytes_in == aggregator.bytes_in
    assert (bench.folder / "personal").stat().st_mode & 0o777 == 0o600


def test_a_new_checkpoint_is_adapted_anew_and_a_known_one_is_not(bench: Bench) -> None:
    times = []

    class Counting(LiteRtTrainer):
        def train(self, *arguments, **named):
            times.append(named["local"].epochs)
            return super().train(*arguments, **named)

    rounds(bench, 2, personal=MINE, trainer=Counting())
    assert times == [1, 40, 1, 40]
    with bench.device(personal=MINE, trainer=Counting()) as device:
        assert device.run_once(early=True).ended is Ended.IDLE
        assert times == [1, 40, 1, 40]
    # Other settings ask for another adaptation, also without a round.
    head = Personal(tensors=("*/bias",), local=MINE.local, always=True)
    with bench.device(personal=head, trainer=Counting()) as device:
        assert device.run_once(early=True).ended is Ended.IDLE
        assert times == [1, 40, 1, 40, 40]
        record = device.personal
        assert record is not None
        assert (record.version, record.tensors) == (1, ("dense/bias",))


def test_own_weights_serve_on_their_old_checkpoint_until_newer_ones_are_adapted(bench: Bench) -> None:
    rounds(bench, 1, personal=MINE, cache_limit_bytes=len(tiny_plan()))
    before = Predictor(DeviceFolder(bench.folder)).predict(INPUTS)["dense"]
    # Four rounds without personalisation: the checkpoint that the own weights rest on is not pushed out of the cache.
    rounds(bench, 4, cache_limit_bytes=len(tiny_plan()))
    predictor = Predictor(DeviceFolder(bench.folder))
    np.testing.assert_array_equal(predictor.predict(INPUTS)["dense"], before)
    np.testing.assert_allclose(predictor.predict(INPUTS, personal=False)["dense"], 3.5 * INPUTS["x"] - 0.25)
    np.testing.assert_allclose(predictor.predict(INPUTS, previous=True)["dense"], 2.5 * INPUTS["x"] - 0.25)
    # A checkpoint of another task is another model.
    bench.aggregator.offer(tiny_plan(), CHECKPOINT, task_id="task-2")
    assert bench.once().ended is Ended.COUNTED
    assert predictor.predict(INPUTS)["dense"].tolist() == SHARED


def test_falling_back_leaves_what_rests_on_the_checkpoint_too(bench: Bench) -> None:
    rounds(bench, 2, personal=MINE)
    with bench.device() as device:
        np.testing.assert_allclose(device.predict(INPUTS)["dense"], 2 * INPUTS["x"], atol=1e-3)
        device.fall_back()
        assert device.predict(INPUTS)["dense"].tolist() == SHARED


def test_damaged_own_weights_give_way_to_the_shared_ones(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    rounds(bench, 1, personal=MINE)
    path = bench.folder / "personal"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    predictor = Predictor(DeviceFolder(bench.folder))
    for _ in range(3):
        assert predictor.predict(INPUTS)["dense"].tolist() == SHARED
        loaded = predictor._loaded
    # What is damaged is looked at once, and the runtime stays.
    assert predictor.predict(INPUTS)["dense"].tolist() == SHARED
    assert predictor._loaded is loaded
    assert caplog.text.count("the device's own weights over version 0 of task task-1 cannot be used") == 1


def test_own_weights_that_are_replaced_while_they_are_read_are_read_again(bench: Bench, caplog) -> None:
    rounds(bench, 1, personal=MINE)
    folder = DeviceFolder(bench.folder)

    class Late(PersonalFile):
        """Another process personalises between the look at the record and the reading of the weights."""

        def weights(self, record):
            if not written:
                specs, vector = super().weights(record)
                written.append(self.write(record, specs, vector + np.float32(100)))
            return super().weights(record)

    written: list[PersonalRecord] = []
    folder.personal = Late(bench.folder / "personal")
    assert Predictor(folder).predict(INPUTS)["dense"][0][0] == pytest.approx(202, abs=1e-2)
    assert "cannot be used" not in caplog.text


def test_without_a_network_whenever_the_app_asks(bench: Bench) -> None:
    with bench.device() as device:
        with pytest.raises(NotFoundError, match="no checkpoint to personalise yet"):
            device.personalise()
        bench.offer()
        device.run_once()
        assert device.personal is None
        bench.aggregator.stop()
        # The default, one pass at the plan's rate, is better already.
        assert device.personalise().kept
        assert device.predict(INPUTS)["dense"].tolist() != SHARED
        device.drop_personal()
        assert device.predict(INPUTS)["dense"].tolist() == SHARED
        device.personalise()
        device.forget()
        assert device.personal is None


def test_a_condition_or_a_stop_ends_it_and_the_old_weights_stay(bench: Bench) -> None:
    rounds(bench, 1, personal=MINE)
    stop = threading.Event()
    stop.set()
    with bench.device(personal=MINE) as device:
        before = device.personal
        with pytest.raises(StateError, match="given up: the app stopped the device"):
            device.personalise(stop)
        assert device.personal == before
    dark = {"conditions": Conditions(on_power=True), "probe": Unplugged()}
    with bench.device(**dark) as device, pytest.raises(StateError, match="given up: the device is not on mains power"):
        device.personalise()


class Unplugged(SystemProbe):
    """A machine that is not on mains power."""

    def on_power(self) -> bool:
        return False


def test_what_a_condition_put_off_is_made_up_for_without_a_round(bench: Bench) -> None:
    plug = Unplugged()
    rounds(bench, 1)
    with bench.device(personal=MINE, conditions=Conditions(on_power=True), probe=plug) as device:
        assert device.run_once().ended is Ended.IDLE
        assert device.personal is None
        plug.on_power = lambda: True  # type: ignore[method-assign]
        assert device.run_once().ended is Ended.IDLE
        assert device.personal is not None


def test_failures_of_the_background_go_to_the_log_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.offer()
    wrong = Personal(tensors=("head",))
    with bench.device(personal=wrong) as device:
        for _ in range(3):
            device.run_once(early=True)
        assert device.personal is None
    assert caplog.text.count("personalisation with version 2 failed") == 1


def test_a_memory_limit_holds_for_personalisation_too(bench: Bench) -> None:
    rounds(bench, 1)
    with bench.device(limits=Limits(memory_bytes=1000)) as device:
        with pytest.raises(PlanError, match="1,000 are allowed"):
            device.personalise()
        bench.offer()
        gone = device.run_once(early=True)
    assert gone.ended is Ended.WITHDRAWN
    assert "and 1,000 are allowed" in gone.detail
    assert bench.aggregator.check_ins[-1].capabilities.memory_bytes == 1000


def test_one_thread_at_a_time(bench: Bench) -> None:
    bench.offer()
    refused: list[str] = []

    class Asking(LiteRtTrainer):
        def train(self, *arguments, **named):
            with pytest.raises(StateError) as told:
                device.personalise()
            refused.append(str(told.value))
            return super().train(*arguments, **named)

    with bench.device(trainer=Asking()) as device:
        assert device.run_once().ended is Ended.COUNTED
    assert refused == ["this device is running in another thread: it personalises by itself"]


def test_an_empty_store_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    rounds(bench, 1)
    empty = ExampleStore.create(tmp_path / "empty.db", tiny_manifest().example_specs)
    with empty, bench.device(store=empty) as device:
        record = device.personalise()
    assert (record.kept, record.detail) == (False, "0 examples, and 1 are needed")
