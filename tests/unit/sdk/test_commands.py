"""`fieldfare device` and `fieldfare plan`, run as a user runs them."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from fieldfare.core.command import Console, run
from fieldfare.core.plans import WeightRole, attach_manifest
from fieldfare.core.tasks import Interruption, LocalTrainingSpec
from fieldfare.core.weights import pack_weights
from fieldfare.protos.v1 import aggregator_pb2, task_pb2
from fieldfare.sdk import Conditions, Device, ExampleStore, Ledger, SystemProbe
from fieldfare.sdk.ledger import LedgerKind
from tests.support.scripted_aggregator import ScriptedAggregator
from tests.support.tiny_plan import tiny_manifest, tiny_plan

ENTRIES = [
    metadata.EntryPoint(name, f"fieldfare.sdk.commands.{name}:COMMAND", "fieldfare.commands")
    for name in ("device", "plan")
]
MANIFEST = tiny_manifest(features=2)
CHECKPOINT = pack_weights(MANIFEST.weight_specs, np.zeros(3, np.float32))


class Shop:
    """A folder to work in, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan, self.store, self.device = folder / "plan.tflite", folder / "s.db", folder / "device"
        self.plan.write_bytes(tiny_plan(features=2))
        rows = [f"{i / 10},{-i / 10},{i}" for i in range(20)]
        (folder / "data.csv").write_text("\n".join(["a,b,y", *rows]))

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        status = run([str(one) for one in arguments], Console(out, err), {}, ENTRIES)
        return status, out.getvalue(), err.getvalue()

    def add(self, *files: str) -> tuple[int, str, str]:
        paths = [self.folder / name for name in files or ("data.csv",)]
        return self("device", "add", "--store", self.store, "--plan", self.plan, *paths)

    def run(self, aggregator: ScriptedAggregator, *more: object) -> tuple[int, str, str]:
        where = ("--store", self.store, "--folder", self.device, "--aggregator", aggregator.address)
        return self("device", "run", *where, "--population", "digits", *more)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_plan_show(shop: Shop) -> None:
    status, out, _ = shop("plan", "show", shop.plan)
    assert status == 0
    for words in ("plan tiny:", "  x  float32 [2]", "dense/kernel  float32 [2, 1]", "mean_squared_error", "sgd"):
        assert words in out
    assert shop("plan", "show", shop.folder / "absent")[0] == 1
    status, _, err = shop("plan", "show", shop.folder / "data.csv")
    assert status == 1
    assert "not a Fieldfare plan" in err


def test_plan_show_tells_what_is_frozen_and_what_is_a_statistic(shop: Shop, tmp_path: Path) -> None:
    kernel, bias = MANIFEST.weights
    partly = replace(
        MANIFEST,
        weights=(kernel, replace(bias, role=WeightRole.STATISTIC)),
        trainable=("lora:8", "head"),
        frozen_sha256=bytes(32),
        frozen_int8=True,
    )
    path = tmp_path / "partly.tflite"
    path.write_bytes(attach_manifest(shop.plan.read_bytes(), partly))
    _, out, _ = shop("plan", "show", path)
    assert "all but lora:8, head, in int8" in out
    assert "dense/bias    float32 [1] (statistic)" in out
    assert "every weight of the model travels" in shop("plan", "show", shop.plan)[1]


def test_add_creates_the_store_typed_by_the_plan(shop: Shop) -> None:
    status, out, _ = shop.add()
    assert status == 0
    assert "data.csv: 20 examples added" in out
    assert "holds 20 examples, 3 of them held out" in out
    with ExampleStore.open(shop.store) as store:
        assert store.specs == MANIFEST.example_specs
    np.savez(shop.folder / "more.npz", x=np.ones((5, 2), np.float32), y=np.ones((5, 1), np.float32))
    status, out, _ = shop("device", "add", "--store", shop.store, shop.folder / "more.npz", shop.folder / "data.csv")
    assert status == 0
    assert "holds 45 examples" in out


def test_add_says_what_is_wrong(shop: Shop) -> None:
    status, _, err = shop("device", "add", "--store", shop.store, shop.folder / "data.csv")
    assert (status, "--plan" in err) == (2, True)
    assert not shop.store.exists()
    (shop.folder / "bad.csv").write_text("a,b,y\n1,2,3\n1,7712x,3\n")
    status, out, err = shop.add("data.csv", "bad.csv")
    assert status == 1
    assert out == ""
    assert "bad.csv: row 3, column 2 ('x')" in err
    assert "7712" not in err
    assert not shop.store.exists()


def test_a_timer_that_fires_too_often(shop: Shop) -> None:
    shop.add()
    with ScriptedAggregator() as aggregator:
        aggregator.come_back_after = timedelta(hours=1)
        rested = ("--once", "--min-separation", 7200)
        aggregator.offer(tiny_plan(features=2), CHECKPOINT)
        assert "counted" in shop.run(aggregator, *rested)[1]
        status, out, _ = shop.run(aggregator, *rested)
        assert (status, out) == (0, "idle: the device took part a short while ago; again in 120 min\n")
        assert "idle: no task" in shop.run(aggregator, "--once")[1]
        status, out, _ = shop.run(aggregator, "--once")
        assert (status, out) == (0, "idle: it is not yet time to come back; again in 60 min\n")
        assert "\nnext      in 60 min\n" in shop("device", "status", "--folder", shop.device)[1]
        assert "idle: no task" in shop.run(aggregator, "--once", "--early")[1]
        assert len(aggregator.check_ins) == 3
        assert shop.run(aggregator, "--early")[0] == 2


def test_run_once_trains_and_evaluates(shop: Shop) -> None:
    shop.add()
    with ScriptedAggregator() as aggregator:
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT)
        status, out, _ = shop.run(aggregator, "--once", "--seed", 1)
        assert status == 0
        assert out.startswith("round 3 of task task-1: trained on 17 examples, loss ")
        assert out.endswith(" counted: as scripted\n")
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT, kind=task_pb2.ROUND_KIND_EVALUATION)
        status, out, _ = shop.run(aggregator, "--once")
        assert "evaluated on 3 examples, loss " in out
        assert "mean_absolute_error" in out
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT)
        aggregator.receipts.append(aggregator_pb2.RECEIPT_STATUS_INVALID)
        status, out, _ = shop.run(aggregator, "--once")
        assert (status, "refused: as scripted" in out) == (1, True)
        status, out, _ = shop.run(aggregator, "--until-idle", "0.3")
        assert status == 0
        assert out.count("idle: no task") == 1
        assert len(aggregator.check_ins) > 4


def test_status_ledger_and_predict(shop: Shop) -> None:
    shop.add()
    with ScriptedAggregator() as aggregator:
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT)
        shop.run(aggregator, "--once")
    status, out, _ = shop("device", "status", "--store", shop.store, "--folder", shop.device)
    assert status == 0
    assert "20 examples, 3 held out" in out
    assert "version 2 of task task-1" in out
    assert "none waits" in out
    status, out, _ = shop("device", "ledger", "--folder", shop.device, "--verify")
    assert status == 0
    lines = out.splitlines()
    assert [line.split()[2] for line in lines[1:5]] == ["check_in", "fetch", "fetch", "update"]
    assert lines[-1] == "verified: no row was changed"
    total = sum(int(line.split()[3]) for line in lines[1:5])
    assert lines[-2].split() == ["total", str(total), "in", "4", "messages"]
    assert total == aggregator.bytes_in
    np.savez(shop.folder / "in.npz", x=np.ones((3, 2), np.float32))
    status, out, _ = shop("device", "predict", "--folder", shop.device, shop.folder / "in.npz", shop.folder / "out.npz")
    assert status == 0
    assert np.load(shop.folder / "out.npz")["dense"].tolist() == [[0.0]] * 3


def test_ledger_for_programs_and_by_what_is_asked_for(shop: Shop) -> None:
    shop.add()
    with ScriptedAggregator() as aggregator:
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT)
        shop.run(aggregator, "--once")
    with Ledger.open(shop.device / "ledger.db", create=False, keep_rows=1) as ledger:
        for day in range(1, 9):
            ledger.record(LedgerKind.CHECK_IN, 50, time=datetime(2019, 5, day, tzinfo=UTC))
    status, out, _ = shop("device", "ledger", "--folder", shop.device, "--format", "json", "--verify")
    assert status == 0
    found = json.loads(out)
    kinds = [(one["kind"], one["messages"]) for one in found["entries"] if one["messages"]]
    assert kinds == [("check_in", 1), ("fetch", 2), ("update", 1), ("check_in", 6), ("check_in", 1), ("check_in", 1)]
    update = found["entries"][2]
    assert (update["task"], update["round"], update["privacy"], update["encoding"]) == ("task-1", 3, "none", "float32")
    assert update["norm"] > 0
    assert found["totals"]["messages"] == 12
    assert found["totals"]["bytes"] == aggregator.bytes_in + 8 * 50
    assert found["totals"]["privacy"] == {"none": 1}
    status, out, _ = shop("device", "ledger", "--folder", shop.device, "--format", "csv", "--task", "task-1")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(one["kind"], one["messages"], one["round"]) for one in rows] == [("fetch", "2", ""), ("update", "1", "3")]
    ask = ("device", "ledger", "--folder", shop.device, "--until", "2019-06-01")
    status, out, _ = shop(*ask, "--since", "2019-05-08")
    assert [line.split()[2] for line in out.splitlines()[1:3]] == ["seal", "check_in"]
    assert out.splitlines()[-1].split() == ["total", "50", "in", "1", "messages"]
    _, out, _ = shop(*ask, "--since", "2019-05-03", "--kind", "check_in")
    assert "6 messages until 2019-05-06 00:00:00" in out
    assert "a summary of old rows as a whole" in out
    _, out, _ = shop("device", "ledger", "--folder", shop.device, "--totals", "--task", "task-1")
    assert "of task task-1" in out
    assert "privacy mechanism none: 1 messages" in out
    for wrong in (["--since", "soon"], ["--kind", "thought"]):
        with pytest.raises(SystemExit):
            shop("device", "ledger", "--folder", shop.device, *wrong)
    assert shop("device", "ledger", "--folder", shop.device, "--format", "csv", "--totals")[0] == 2


def test_collections_limits_export_and_delete(shop: Shop) -> None:
    add = ("device", "add", "--store", shop.store, "--plan", shop.plan, shop.folder / "data.csv")
    assert shop(*add, "--collection", "chat", "--max-examples", 15, "--max-age", 30, "--max-bytes", 10_000)[0] == 0
    assert shop(*add, "--max-examples", 0)[0] == 0
    _, out, _ = shop("device", "status", "--store", shop.store)
    assert "collection chat: 15 examples" in out
    assert "collection default: 20 examples" in out
    assert "keeps 10.0 kB, 30 days at most" in out
    mine = shop.folder / "mine.jsonl"
    status, out, _ = shop("device", "export", "--store", shop.store, "--collection", "chat", mine)
    assert (status, out) == (0, f"{mine}: 15 examples\n")
    assert json.loads(mine.read_text().splitlines()[-1])["tensors"] == {
        "x": [1.899999976158142, -1.899999976158142],
        "y": [19.0],
    }
    assert shop("device", "export", "--store", shop.store, shop.folder / "mine.npz")[0] == 0
    status, out, _ = shop(
        "device", "add", "--store", shop.folder / "new.db", "--plan", shop.plan, shop.folder / "mine.npz"
    )
    assert "holds 35 examples" in out
    with ScriptedAggregator() as aggregator:
        aggregator.offer(shop.plan.read_bytes(), CHECKPOINT)
        with ExampleStore.open(shop.store) as store:
            rows = store.count(False, collections=["chat"])
        assert f" on {rows} examples" in shop.run(aggregator, "--once", "--collection", "chat")[1]
    delete = ("device", "delete", "--store", shop.store)
    assert shop(*delete)[0] == 2
    assert shop(*delete, "--everything", "--collection", "chat")[0] == 2
    assert shop(*delete, "--collection", "chat")[1].startswith("15 examples deleted; ")
    assert shop(*delete, "--key", "absent")[1].startswith("0 examples deleted; ")
    assert shop(*delete, "--everything")[1] == f"20 examples deleted; {shop.store} holds 0\n"
    with pytest.raises(SystemExit):
        shop(*add, "--max-age", "nan")
    for wrong in (["--max-age", "-1"], ["--max-examples", "-1"], ["--collection", ""]):
        assert shop(*add, *wrong)[0] == 2
    assert shop("device", "export", "--store", shop.store, shop.folder / "mine.txt")[0] == 2


def test_a_changed_ledger_is_found(shop: Shop) -> None:
    import sqlite3

    shop.add()
    with ScriptedAggregator() as aggregator:
        shop.run(aggregator, "--once")
    connection = sqlite3.connect(shop.device / "ledger.db")
    connection.executescript("DROP TRIGGER no_update; UPDATE entries SET bytes = 1;")
    connection.close()
    status, _, err = shop("device", "ledger", "--folder", shop.device, "--verify")
    assert (status, "row 1 is not as it was written" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "exit_status"),
    [
        (["device", "status"], 2),
        (["device", "status", "--folder", "absent"], 1),
        (["device", "run", "--store", "absent", "--folder", "f", "--population", "p"], 1),
        (["device", "ledger", "--folder", "absent"], 1),
        (["device", "run", "--store", "s", "--folder", "f", "--population", "p", "--threads", "0"], 2),
        (["device", "run", "--store", "s", "--folder", "f", "--population", "p", "--min-battery", "101"], 2),
    ],
)
def test_errors_are_one_line(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, arguments: list[str], exit_status: int
) -> None:
    monkeypatch.chdir(shop.folder)
    status, out, err = shop(*arguments)
    assert status == exit_status
    assert out == ""
    assert err.startswith("fieldfare: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["device"], ["device", "add"], ["device", "run"], ["plan"], ["plan", "show"]])
def test_help_has_an_example(shop: Shop, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        shop(*arguments, "--help")
    text = capsys.readouterr().out
    assert ("Example: fieldfare" in text) is (len(arguments) == 2)


MAIN = """
import sys
from fieldfare.core.command import Console, run
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
entry = metadata.EntryPoint("device", "fieldfare.sdk.commands.device:COMMAND", "fieldfare.commands")
sys.exit(run(sys.argv[1:], Console(sys.stdout, sys.stderr), {}, [entry]))
"""


@pytest.mark.parametrize(("number", "exit_status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_it_in_good_order(shop: Shop, number: signal.Signals, exit_status: int) -> None:
    shop.add()
    with ScriptedAggregator() as aggregator:
        command = ["device", "run", "--store", shop.store, "--folder", shop.device, "--population", "digits"]
        command += ["--aggregator", aggregator.address]
        arguments = [sys.executable, "-c", MAIN, *map(str, command)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("idle: no task")
            os.kill(process.pid, number)
            assert process.wait(30) == exit_status
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()


def test_training_that_rests_is_told(shop: Shop) -> None:
    shop.add()
    # Nobody has used the machine for an hour; when the first step is due, somebody does.
    idle = [timedelta(hours=1), timedelta(0)]
    with ScriptedAggregator() as aggregator, ExampleStore.open(shop.store) as store:
        local = LocalTrainingSpec(interruption=Interruption.RESUME).to_proto()
        aggregator.offer(tiny_plan(features=2), CHECKPOINT, local=local)
        with Device(
            shop.device,
            aggregator=aggregator.address,
            population="digits",
            store=store,
            conditions=Conditions(min_user_idle=timedelta(seconds=1)),
            probe=SystemProbe(user_idle=lambda: idle.pop(0)),
        ) as device:
            assert device.run_once().detail == "training rests: the device was used in the last 1 s"
    assert "training  rests until its conditions hold\n" in shop("device", "status", "--folder", shop.device)[1]
