"""A device against a real gRPC server: everything that can go wrong on the way, and what the ledger says of it."""

import subprocess
import sys
import threading
from datetime import timedelta

import numpy as np
import pytest

from fieldfare.core.encodings import FLOAT16, FLOAT32, decode_update
from fieldfare.core.errors import NotFoundError, ProtocolError, StateError
from fieldfare.core.local_steps import ControlVariates
from fieldfare.core.sessions import Ended, Participation
from fieldfare.core.tasks import Algorithm, LocalTrainingSpec
from fieldfare.core.weights import TensorSpec, pack_weights, sha256
from fieldfare.protos.v1 import aggregator_pb2, task_pb2
from fieldfare.sdk import ExampleStore
from fieldfare.sdk.device import DeviceFolder
from fieldfare.sdk.ledger import LedgerKind
from fieldfare.sdk.training import LiteRtTrainer
from tests.support.device_bench import MANIFEST, Bench
from tests.support.scripted_aggregator import CHUNK
from tests.support.tiny_plan import tiny_manifest, tiny_plan

CANARY = 7712.25


def test_a_round_from_check_in_to_receipt(bench: Bench) -> None:
    given = bench.offer(encoding=FLOAT16)
    done = bench.once()
    assert done.ended is Ended.COUNTED
    assert done.assignment is not None
    assert done.metrics is not None
    (check_in,) = bench.aggregator.check_ins
    assert check_in.population == "digits"
    assert len(check_in.device_id) == 16
    assert check_in.capabilities.sdk.startswith("fieldfare ")
    assert check_in.capabilities.runtime.startswith("ai-edge-litert ")
    assert list(check_in.capabilities.encoding_stages) == ["float16", "float32"]
    (seen,) = bench.aggregator.reports
    assert seen.header.ticket == given.ticket
    assert seen.header.example_count == 17
    assert seen.trailer is not None
    assert seen.trailer.sha256 == sha256(seen.payload)
    assert np.abs(decode_update(FLOAT16, seen.payload, 2, max_abs_value=10)).max() > 0
    bench.check_ledger()
    with DeviceFolder(bench.folder).open_ledger() as ledger:
        (update,) = [row for row in ledger if row.kind is LedgerKind.UPDATE]
        assert (update.task, update.round_number, update.encoding) == ("task-1", 3, "float16")
        assert update.update_norm == pytest.approx(
            float(np.linalg.norm(decode_update(FLOAT16, seen.payload, 2, max_abs_value=10)))
        )


def test_the_device_keeps_its_id_and_its_cache(bench: Bench) -> None:
    for _ in range(2):
        bench.offer()
        bench.once()
    assert len({request.device_id for request in bench.aggregator.check_ins}) == 1
    assert len(bench.aggregator.fetches) == 2
    assert bench.aggregator.reports[0].payload == bench.aggregator.reports[1].payload


def test_a_cache_that_is_too_small_still_holds_what_a_round_needs(bench: Bench) -> None:
    for kernel in (1, 2, 3):
        checkpoint = pack_weights(MANIFEST.weight_specs, np.float32([kernel, 0]))
        bench.aggregator.offer(tiny_plan(), checkpoint)
        assert bench.once(cache_limit_bytes=len(tiny_plan())).ended is Ended.COUNTED
    # The last good pair and the one before stay until the next one has loaded; what is older goes.
    assert len(list((bench.folder / "cache").iterdir())) == 4


def test_a_plan_that_the_cache_cannot_hold_is_given_up_before_a_byte_is_fetched(bench: Bench) -> None:
    bench.offer()
    gone = bench.once(cache_limit_bytes=len(tiny_plan()) - 1)
    assert gone.ended is Ended.WITHDRAWN
    assert f"this device fetches at most {len(tiny_plan()) - 1}" in gone.detail
    assert bench.aggregator.fetches == []
    assert bench.aggregator.reports[0].header.outcome == aggregator_pb2.OUTCOME_FAILED


def test_evaluation_reports_metrics_only(bench: Bench) -> None:
    bench.offer(kind=task_pb2.ROUND_KIND_EVALUATION)
    assert bench.once().ended is Ended.COUNTED
    (seen,) = bench.aggregator.reports
    assert seen.header.example_count == 3
    assert {metric.name for metric in seen.header.metrics} == {"loss", "mean_absolute_error"}
    assert seen.payload == b""
    assert not seen.header.tensors
    bench.check_ledger()


def test_nothing_to_do(bench: Bench) -> None:
    idle = bench.once()
    assert (idle.ended, idle.detail) == (Ended.IDLE, "no task")
    assert idle.come_back_after == timedelta(milliseconds=50)


def test_a_download_that_is_cut_resumes(bench: Bench) -> None:
    bench.offer()
    bench.aggregator.cuts.extend([3 * CHUNK, 2 * CHUNK])
    assert bench.once().ended is Ended.COUNTED
    plan = sha256(tiny_plan())
    assert [one.offset for one in bench.aggregator.fetches if one.sha256 == plan] == [0, 3 * CHUNK, 5 * CHUNK]
    bench.check_ledger()


def test_a_download_resumes_in_another_process_life(bench: Bench) -> None:
    bench.offer()
    bench.aggregator.cuts.extend([CHUNK] * 3)
    assert bench.once().ended is Ended.UNREACHABLE
    bench.offer()
    assert bench.once().ended is Ended.COUNTED
    assert [one.offset // CHUNK for one in bench.aggregator.fetches][:4] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("statuses", "questions", "ended"),
    [
        (["PENDING", "ACCEPTED"], [False, True], Ended.COUNTED),
        (["PENDING", "UNKNOWN", "ACCEPTED"], [False, True, False], Ended.COUNTED),
        (["UNKNOWN", "DUPLICATE"], [False, False], Ended.COUNTED),
        (["LATE"], [False], Ended.LATE),
        (["PENDING", "LATE"], [False, True], Ended.LATE),
        (["INVALID"], [False], Ended.REFUSED),
    ],
)
def test_receipts(bench: Bench, statuses: list[str], questions: list[bool], ended: Ended) -> None:
    bench.offer()
    bench.aggregator.receipts.extend(aggregator_pb2.ReceiptStatus.Value(f"RECEIPT_STATUS_{one}") for one in statuses)
    assert bench.once().ended is ended
    assert [seen.header.receipt_only for seen in bench.aggregator.reports] == questions
    assert len({seen.payload for seen in bench.aggregator.reports if not seen.header.receipt_only}) == 1
    assert DeviceFolder(bench.folder).outbox.is_empty
    bench.check_ledger()


def test_waits_are_told(bench: Bench) -> None:
    bench.offer()
    bench.aggregator.receipts.extend([aggregator_pb2.RECEIPT_STATUS_PENDING, aggregator_pb2.RECEIPT_STATUS_ACCEPTED])
    told: list[str] = []
    assert bench.once(on_wait=lambda _duration, reason: told.append(reason)).ended is Ended.COUNTED
    assert told == ["the report is in; its receipt waits for more devices"]


def test_a_report_is_kept_while_the_aggregator_is_down_and_settled_after(bench: Bench) -> None:
    bench.offer()
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_PENDING)
    stop = threading.Event()

    class StopsServer:
        """The moment the receipt is pending, the aggregator goes away."""

        def wait(self, timeout: float | None = None) -> bool:
            if bench.aggregator.reports:
                bench.aggregator.stop()
            return stop.wait(0 if timeout is None else min(timeout, 0.01))

        def is_set(self) -> bool:
            return False

    with bench.device() as device:
        away = device.run_once(StopsServer())  # type: ignore[arg-type]
    assert away.ended is Ended.UNREACHABLE
    assert "connection refused" in away.detail or "cannot reach" in away.detail
    assert not DeviceFolder(bench.folder).outbox.is_empty
    bench.aggregator.start()
    bench.aggregator.receipts.extend([aggregator_pb2.RECEIPT_STATUS_UNKNOWN, aggregator_pb2.RECEIPT_STATUS_ACCEPTED])
    bench.offer()
    settled = bench.once()
    assert settled.ended is Ended.COUNTED
    assert settled.assignment is None
    first, asked, sent = bench.aggregator.reports
    assert asked.header.receipt_only
    assert sent.payload == first.payload
    assert len(bench.aggregator.check_ins) == 1
    with DeviceFolder(bench.folder).open_ledger() as ledger:
        assert {row.task for row in ledger if row.kind is LedgerKind.RECEIPT} == {"task-1"}
    assert bench.once().ended is Ended.COUNTED


def test_nobody_listens(bench: Bench) -> None:
    bench.aggregator.stop()
    away = bench.once()
    assert away.ended is Ended.UNREACHABLE
    assert "(connection refused): is `fieldfare serve` running there?" in away.detail


def test_an_answer_before_the_end_of_a_large_report(bench: Bench) -> None:
    """The server answers after the header and never reads the payload of some megabytes."""
    wide = tiny_manifest(features=2_000_000)
    with ExampleStore.create(bench.folder.with_name("w.db"), wide.example_specs, held_out_share=0) as store:
        store.add_many({"x": np.ones((1, 2_000_000), np.float32), "y": np.ones((1, 1), np.float32)})
        checkpoint = pack_weights(wide.weight_specs, np.zeros(2_000_001, np.float32))
        local = LocalTrainingSpec(learning_rate=1e-7).to_proto()
        bench.aggregator.offer(tiny_plan(1, 2_000_000), checkpoint, local=local)
        bench.aggregator.answer_early = True
        bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_LATE)
        assert bench.once(store=store).ended is Ended.LATE
        bench.aggregator.offer(tiny_plan(1, 2_000_000), checkpoint, local=local)
        bench.aggregator.answer_early = False
        assert bench.once(store=store).ended is Ended.COUNTED
        assert len(bench.aggregator.reports[-1].payload) == 8_000_004


def test_a_device_that_cannot_do_the_work_says_so(bench: Bench) -> None:
    bench.offer(local=LocalTrainingSpec(min_examples=1000).to_proto())
    gone = bench.once()
    assert gone.ended is Ended.WITHDRAWN
    assert "needs 1000" in gone.detail
    (seen,) = bench.aggregator.reports
    assert seen.header.outcome == aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES
    assert seen.header.example_count == 0
    bench.check_ledger()


def test_predict_offline_with_the_last_checkpoint(bench: Bench) -> None:
    inputs = {"x": np.float32([[2], [4], [6], [8], [10]])}
    with bench.device() as device:
        with pytest.raises(NotFoundError, match="take part in a round first"):
            device.predict(inputs)
        bench.offer()
        device.run_once()
        bench.aggregator.stop()
        np.testing.assert_allclose(device.predict(inputs)["dense"], 0.5 * inputs["x"] - 0.25)
    with bench.device() as again:
        np.testing.assert_allclose(again.predict(inputs)["dense"], 0.5 * inputs["x"] - 0.25)
        bench.aggregator.start()
        newer = pack_weights(MANIFEST.weight_specs, np.float32([3, 1]))
        bench.aggregator.offer(tiny_plan(), newer, checkpoint_version=3)
        assert again.run_once().ended is Ended.COUNTED
        np.testing.assert_allclose(again.predict(inputs)["dense"], 3 * inputs["x"] + 1)


def test_a_bad_checkpoint_does_not_replace_the_last_good_one(bench: Bench) -> None:
    bench.offer()
    with bench.device() as device:
        device.run_once()
        bench.aggregator.offer(tiny_plan(), b"no weights at all")
        assert device.run_once().ended is Ended.WITHDRAWN
        assert device.predict({"x": np.float32([[2]])})["dense"].tolist() == [[0.75]]


def test_one_folder_one_device(bench: Bench) -> None:
    with bench.device() as first, bench.device() as second:
        first.run_once()
        with pytest.raises(StateError, match="another device is running"):
            second.run_once()
        first.close()
        second.run_once()


def test_run_forever_until_it_is_stopped(bench: Bench) -> None:
    for _ in range(2):
        bench.offer()
    stop, seen = threading.Event(), []

    def note(participation: Participation) -> None:
        seen.append(participation.ended)
        if len(seen) == 3:
            stop.set()

    with bench.device() as device:
        device.run_forever(stop, note)
    assert seen == [Ended.COUNTED, Ended.COUNTED, Ended.IDLE]


def test_run_forever_ends_when_idle_and_survives_an_aggregator_that_is_away(bench: Bench) -> None:
    bench.aggregator.stop()
    seen = []
    with bench.device() as device:
        device.run_forever(threading.Event(), seen.append, idle_after=timedelta(seconds=0.3))
    assert {one.ended for one in seen} == {Ended.UNREACHABLE}


def test_run_forever_survives_a_peer_of_another_kind(bench: Bench) -> None:
    bench.offer(max_abs_value=0.0)
    seen = []
    with bench.device() as device:
        device.run_forever(threading.Event(), seen.append, idle_after=timedelta(seconds=0.05))
    assert seen[0].ended is Ended.UNREACHABLE
    assert seen[0].come_back_after == timedelta(hours=1)


def test_a_peer_of_another_kind_is_left_alone_also_by_the_next_process(bench: Bench) -> None:
    bench.offer(max_abs_value=0.0)
    with bench.device() as device, pytest.raises(ProtocolError, match="no value to report"):
        device.run_once()
    with bench.device() as device:
        assert device.run_once().ended is Ended.IDLE
        assert device.run_once().come_back_after > timedelta(minutes=59)
    assert len(bench.aggregator.check_ins) == 1


def test_a_stop_gives_up_between_steps_and_tells_the_aggregator(bench: Bench) -> None:
    bench.offer()
    stop = threading.Event()
    trainer_started = bench.store.training

    class Source:
        specs = bench.store.specs

        def training(self, limit=None):
            stop.set()
            return trainer_started(limit)

        def held_out(self):
            return bench.store.held_out()

    with bench.device(store=Source()) as device:
        assert device.run_once(stop).ended is Ended.WITHDRAWN
        ended = device.run_once(stop)
        assert (ended.ended, ended.detail) == (Ended.STOPPED, "stopped")
    assert bench.aggregator.reports[0].header.outcome == aggregator_pb2.OUTCOME_CONDITIONS


def test_a_damaged_outbox_is_no_crash_loop(bench: Bench) -> None:
    bench.folder.mkdir()
    (bench.folder / "outbox").write_bytes(b"half a repo")
    bench.offer()
    assert bench.once().ended is Ended.COUNTED


def test_no_example_leaves(bench: Bench) -> None:
    """Canary values in the examples are in no message that the aggregator gets."""
    bench.store.delete(everything=True)
    bench.store.add_many({"x": np.full((20, 1), CANARY, np.float32), "y": np.full((20, 1), 0.5, np.float32)})
    bench.offer(local=LocalTrainingSpec(learning_rate=1e-9).to_proto())
    bench.offer(kind=task_pb2.ROUND_KIND_EVALUATION)
    bench.once()
    bench.once()
    messages = [
        *bench.aggregator.check_ins,
        *bench.aggregator.fetches,
        *(one.header for one in bench.aggregator.reports),
    ]
    sent = b"".join(one.SerializeToString() for one in messages) + b"".join(s.payload for s in bench.aggregator.reports)
    assert len(bench.aggregator.reports) == 2
    for dtype in ("<f4", "<f8", ">f4", "<f2", "<i4"):
        assert np.array([CANARY]).astype(dtype).tobytes() not in sent
    assert str(CANARY).encode() not in sent


RUN_ONCE = """
import sys
from fieldfare.sdk import Device, ExampleStore
with ExampleStore.open(sys.argv[1]) as store, Device(
    sys.argv[2], aggregator=sys.argv[3], population="digits", store=store
) as device:
    device.run_once()
"""


def test_a_device_that_is_killed_before_its_receipt_settles_the_report_later(bench: Bench) -> None:
    bench.offer()
    bench.aggregator.hold.set()
    command = [sys.executable, "-c", RUN_ONCE, str(bench.store.path), str(bench.folder), bench.aggregator.address]
    with subprocess.Popen(command) as process:
        assert bench.aggregator.arrived.wait(60)
        process.kill()
    bench.aggregator.hold.clear()
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_UNKNOWN)
    settled = bench.once()
    assert (settled.ended, settled.assignment) == (Ended.COUNTED, None)
    first, asked, again = bench.aggregator.reports
    assert asked.header.receipt_only
    assert again.payload == first.payload
    assert again.header == first.header


SCAFFOLD = {"algorithm": task_pb2.ALGORITHM_SCAFFOLD, "local": LocalTrainingSpec(learning_rate=0.05).to_proto()}


def control_of(bench: Bench) -> list[float]:
    return DeviceFolder(bench.folder).controls.begin("task-1", sha256(tiny_plan()), 2).tolist()


def second_vector(bench: Bench) -> list[float]:
    payload = bench.aggregator.reports[0].payload
    return decode_update(FLOAT32, payload, 2, max_abs_value=100, parts=2)[2:].tolist()


def test_a_control_variate_advances_once_when_the_report_is_counted(bench: Bench) -> None:
    bench.offer(**SCAFFOLD)
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_PENDING)
    stop = threading.Event()
    with bench.device(on_wait=lambda *_: stop.set()) as device:
        assert device.run_once(stop).ended is Ended.STOPPED
    # The report is sent, and nothing is known of it: the device still has what it began with.
    assert control_of(bench) == [0, 0]
    kept = (bench.folder / "outbox").read_bytes()
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_ACCEPTED)
    assert bench.once().ended is Ended.COUNTED
    delta = second_vector(bench)
    assert control_of(bench) == delta
    assert max(map(abs, delta)) > 0.1
    # Killed after the variate was written, before the report was forgotten: it is settled again, and added once.
    (bench.folder / "outbox").write_bytes(kept)
    bench.aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_DUPLICATE)
    assert bench.once().ended is Ended.COUNTED
    assert control_of(bench) == delta
    bench.check_ledger()
    with DeviceFolder(bench.folder).open_ledger() as ledger:
        (update,) = [row for row in ledger if row.kind is LedgerKind.UPDATE]
        assert update.encoding == "float32"
        assert update.update_norm == pytest.approx(
            np.linalg.norm(np.frombuffer(bench.aggregator.reports[0].payload, "f4"))
        )


@pytest.mark.parametrize("status", [aggregator_pb2.RECEIPT_STATUS_LATE, aggregator_pb2.RECEIPT_STATUS_INVALID])
def test_a_control_variate_stays_when_the_report_does_not_count(bench: Bench, status: int) -> None:
    bench.offer(**SCAFFOLD)
    bench.aggregator.receipts.append(status)
    bench.once()
    assert control_of(bench) == [0, 0]


def test_the_next_round_is_corrected_by_both_control_variates(bench: Bench) -> None:
    bench.offer(**SCAFFOLD)
    bench.once()
    own, server = np.float32(second_vector(bench)), np.float32([0.5, -0.25])
    artifact = bench.aggregator._artifact(pack_weights((TensorSpec("control", "float32", (2,)),), server))
    bench.offer(**SCAFFOLD | {"round_number": 4, "control": artifact})
    assert bench.once().ended is Ended.COUNTED
    trainer = LiteRtTrainer()
    (plan,) = [one for one in (bench.folder / "cache").iterdir() if one.name == sha256(tiny_plan()).hex()]
    trainer.load(plan, plan.name)
    expected = trainer.train(
        np.float32([0.5, -0.25]),
        bench.store.training(),
        local=LocalTrainingSpec(learning_rate=0.05),
        algorithm=Algorithm.SCAFFOLD,
        rng=np.random.default_rng([1, 4]),
        interrupt=lambda: "",
        control=ControlVariates(own, server),
    )
    assert bench.aggregator.reports[1].payload == expected.vector.tobytes()
    assert control_of(bench) == (own + expected.vector[2:]).tolist()
