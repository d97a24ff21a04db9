"""The README's quick start as a person types it, each command a process of its own; and what a mistake looks like."""

import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fieldfare.core.plans import read_manifest
from fieldfare.core.weights import pack_weights, total_size
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import ExampleStore
from tests.support.commands import ROOT, environment, fieldfare, free_port, started
from tests.support.fleet_threads import wait_until
from tests.support.scripted_aggregator import ScriptedAggregator
from tests.support.tiny_plan import tiny_manifest, tiny_plan

MODEL = "examples/digits/model.py:build_model"


def done(*argv: str | Path, cwd: Path = ROOT) -> str:
    """Run a command that must succeed; what it printed."""
    result = fieldfare(*argv, cwd=cwd)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


@dataclass
class Desk:
    """What lies ready before the aggregator is started."""

    folder: Path
    plan: Path
    rows: np.ndarray
    stores: tuple[tuple[str | Path, ...], ...]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An exported plan and two filled stores, one from CSV and one from NPZ."""
    plan = tmp_path / "plan.tflite"
    text = done("export", MODEL, "--output", plan)
    assert f"{plan}: {plan.stat().st_size:,} bytes" in text
    assert "takes  image: float32 [8, 8, 1]" in text
    shown = done("plan", "show", plan)
    assert "plan digits" in shown
    assert "accuracy" in shown
    csv = tmp_path / "csv"
    make = [sys.executable, "examples/digits/make_csv.py", str(csv), "--devices", "2"]
    made = subprocess.run(make, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True, timeout=60)
    assert "899 digits" in made.stdout
    first, second = (("--store", tmp_path / f"{index}.db") for index in range(2))
    added = done("device", "add", *first, "--plan", plan, csv / "device_0.csv")
    assert "899 examples added" in added
    assert re.search(r"holds 899 examples, 13[45] of them held out", added)
    rows = np.genfromtxt(csv / "device_1.csv", delimiter=",", skip_header=1, dtype=np.float32)
    np.savez(tmp_path / "1.npz", image=rows[:, :-1].reshape(-1, 8, 8, 1), label=rows[:, -1].astype(np.int32))
    assert "898 examples added" in done("device", "add", *second, "--plan", plan, tmp_path / "1.npz")
    return Desk(tmp_path, plan, rows, (first, second))


@pytest.mark.slow
def test_the_quick_start(desk: Desk) -> None:
    tmp_path, plan = desk.folder, desk.plan
    first, second = desk.stores
    address, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    listen = ("--listen", address, "--admin-listen", admin, "--come-back-s", "0.5")
    with started("serve", "--state", tmp_path / "state", *listen) as server:
        server.wait_for(f"listening for devices on {address}\nlistening for administration on {admin}")
        assert "no tasks" in done("task", "list", "--admin", admin)
        settings = ("--name", "digits", "--population", "digits", "--rounds", "2", "--goal", "2", "--minimum", "2")
        submitted = done("task", "submit", plan, *settings, "--admin", admin)
        found = re.fullmatch(r"task ([0-9a-f]{32}) submitted: digits for population digits\n", submitted)
        assert found is not None
        task = found[1]
        run = ("device", "run", "--population", "digits", "--aggregator", address, "--until-idle", "3")
        with (
            started(*run, *first, "--folder", tmp_path / "device0") as one,
            started(*run, *second, "--folder", tmp_path / "device1") as two,
        ):
            wait_until(lambda: {one.process.poll(), two.process.poll()} == {0}, "both devices to be idle")
        for device, examples in ((one, r"76[45]"), (two, r"76[34]")):
            assert re.search(
                rf"round 1 of task {task}: trained on {examples} examples, loss [\d.]+, update of [\d.]+ kB counted",
                device.text,
            ), device.text
            assert re.search(
                rf"round 2 of task {task}: evaluated on 13\d examples, loss [\d.]+, accuracy [\d.]+, metrics counted",
                device.text,
            ), device.text
            assert device.text.count("update of") == 2
            assert "Traceback" not in "".join(device.errors)
        assert re.search(
            rf"{task} +digits +digits +completed +2/2 +2 rounds done", done("task", "list", "--admin", admin)
        )
        shown = done("task", "show", "digits", "--admin", admin)
        assert len(re.findall(r"training +committed +2/2", shown)) == 2
        assert len(re.findall(r"evaluation +committed +2/2", shown)) == 2
        weights = tmp_path / "global.safetensors"
        fetched = done("task", "fetch", "digits", "--output", weights, "--admin", admin)
        assert fetched == f"checkpoint version 2 written to {weights}\n"
        server.process.terminate()
        assert server.process.wait(30) == 0
    assert "digits: round 1 committed: 2 of 2 devices" in server.text
    assert "digits: completed (2 rounds done)" in server.text

    model = tmp_path / "model.tflite"
    assert done("convert", plan, weights, "--to", model) == f"{model}: {model.stat().st_size:,} bytes\n"
    assert_infers(model, desk.rows)
    ledger = done("device", "ledger", "--folder", tmp_path / "device0", "--verify")
    assert "verified: no row was changed" in ledger
    assert len(re.findall(r" update +\d+ .* float32 +[0-9a-f]{32}, [13]\n", ledger)) == 2
    status = done("device", "status", *first, "--folder", tmp_path / "device0")
    assert "report    none waits" in status
    assert set(load_file(weights)) == {one.name for one in read_manifest(plan.read_bytes()).weight_specs}


def assert_infers(model: Path, rows: np.ndarray) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model))
    (signature,) = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(signature)
    (name,) = runner.get_input_details()
    right = 0
    for row in rows[:200]:
        (logits,) = runner(**{name: row[:-1].reshape(1, 8, 8, 1)}).values()
        right += int(np.argmax(logits) == row[-1])
    assert right > 60, "two rounds of training lift the accuracy well above one in ten"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plan, a store with and one without examples, and files that are not what they seem."""
    manifest = tiny_manifest(4, 4)
    (tmp_path / "plan.tflite").write_bytes(tiny_plan(4, 4))
    with ExampleStore.create(tmp_path / "empty.db", manifest.example_specs):
        pass
    (tmp_path / "no_plan.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(200))
    (tmp_path / "text.tflite").write_text("this is no plan")
    weights = pack_weights(manifest.weight_specs, np.zeros(total_size(manifest.weight_specs), np.float32))
    (tmp_path / "zero.weights").write_bytes(weights)
    (tmp_path / "narrow.csv").write_text("a,b,y\n1,2,3\n")
    (tmp_path / "wide.csv").write_text("a,b,c,d,e,y\n1,2,3,4,5,6\n")
    (tmp_path / "words.csv").write_text("x.0,x.1,x.2,x.3,y\n1,2,3,4,5\n1,2,secret,4,5\n")
    (tmp_path / "ragged.csv").write_text("x.0,x.1,x.2,x.3,y\n1,2,3,4\n")
    np.savez(tmp_path / "double.npz", x=np.zeros((3, 4)), y=np.zeros((3, 1)))
    (tmp_path / "unknown.toml").write_text('name = "n"\npopulation = "p"\n[training]\ngoal_cont = 3\n')
    (tmp_path / "file").write_text("")
    (tmp_path / "lambda_model.py").write_text(
        "import keras\n"
        "def build():\n"
        "    layers = keras.layers\n"
        "    return keras.Sequential([keras.Input((6, 4, 3)), layers.RandomFlip(name='mirror'), layers.Dense(1)])\n"
        "def text():\n"
        "    layers = keras.layers\n"
        "    head = keras.Input((), dtype='string', name='headline')\n"
        "    hashed = layers.Hashing(10, name='hash')(head)\n"
        "    return keras.Model(head, layers.Dense(1)(layers.Embedding(10, 2)(hashed)))\n"
    )
    return tmp_path


def mistake(folder: Path, *argv: str | Path) -> tuple[int, str]:
    """Run a command that must fail with one line, and leave every file as it was."""

    def files() -> dict[str, bytes]:
        return {
            str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts
        }

    before = files()
    result = fieldfare(*argv, cwd=folder)
    after = files()
    assert result.returncode not in {0, -9}
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("fieldfare: "), result.stderr
    lines = result.stderr.strip().splitlines()
    assert all(line.startswith("  ") for line in lines[1:]), result.stderr
    assert after == before
    assert result.stdout == ""
    return len(lines), result.stderr


NOBODY = "127.0.0.1:1"
ADD = ("device", "add", "--store", "empty.db", "--plan", "plan.tflite")
SUBMIT = ("--name", "n", "--population", "p")
MISTAKES = {
    "csv too narrow": ((*ADD, "narrow.csv"), "narrow.csv: the header has no column"),
    "csv too wide": ((*ADD, "wide.csv"), "wide.csv: the header has no column"),
    "csv with words": ((*ADD, "words.csv"), "words.csv: row 3, column 3 ('x'): needs a finite number"),
    "csv with a short row": ((*ADD, "ragged.csv"), "ragged.csv: row 2 has 4 columns, the header has 5"),
    "npz of float64": ((*ADD, "double.npz"), "double.npz"),
    "absent csv": ((*ADD, "nowhere.csv"), "nowhere.csv is not there"),
    "absent store": (
        ("device", "run", "--store", "nowhere.db", "--folder", "d", "--population", "p", "--aggregator", NOBODY),
        "the example store nowhere.db is not there",
    ),
    "no plan, submit": (("task", "submit", "no_plan.tflite", *SUBMIT, "--admin", NOBODY), "plan"),
    "text as a plan, submit": (("task", "submit", "text.tflite", *SUBMIT, "--admin", NOBODY), "plan"),
    "no plan, add": (("device", "add", "--store", "new.db", "--plan", "no_plan.tflite", "narrow.csv"), "plan"),
    "text as a plan, add": (("device", "add", "--store", "new.db", "--plan", "text.tflite", "narrow.csv"), "plan"),
    "no plan, show": (("plan", "show", "no_plan.tflite"), "plan"),
    "text as a plan, show": (("plan", "show", "text.tflite"), "plan"),
    "absent plan, show": (("plan", "show", "nowhere.tflite"), "nowhere.tflite"),
    "no plan, convert": (("convert", "no_plan.tflite", "zero.weights", "--to", "out.tflite"), "plan"),
    "text as a plan, convert": (("convert", "text.tflite", "zero.weights", "--to", "out.tflite"), "plan"),
    "absent plan, convert": (("convert", "nowhere.tflite", "--to", "out.tflite"), "nowhere.tflite"),
    "no weights, convert": (("convert", "plan.tflite", "words.csv", "--to", "out.tflite"), "words.csv"),
    "nobody there, list": (("task", "list", "--admin", NOBODY), f"no answer from an aggregator at {NOBODY}"),
    "nobody there, submit": (
        ("task", "submit", "plan.tflite", *SUBMIT, "--admin", NOBODY),
        f"no answer from an aggregator at {NOBODY}",
    ),
    "unknown key": (
        ("task", "submit", "plan.tflite", "--config", "unknown.toml", "--admin", NOBODY),
        "training.goal_cont: there is no such key; did you mean 'goal_count'?",
    ),
    "absent toml": (("task", "submit", "plan.tflite", "--config", "no.toml", "--admin", NOBODY), "cannot read no.toml"),
    "state is a file": (
        ("serve", "--state", "file", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
        "file is not a folder",
    ),
    "absent model": (("export", "nowhere.py:build", "--output", "out.tflite"), "nowhere.py"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_gets_one_clear_line_and_changes_nothing(folder: Path, kind: str) -> None:
    argv, words = MISTAKES[kind]
    lines, text = mistake(folder, *argv)
    assert lines == 1, text
    assert words in text
    assert "secret" not in text


def test_a_file_that_cannot_be_added_leaves_no_new_store(folder: Path) -> None:
    argv = ("device", "add", "--store", "new.db", "--plan", "plan.tflite", "--held-out", "0.5", "narrow.csv")
    mistake(folder, *argv)


@pytest.mark.slow
@pytest.mark.parametrize(("function", "layer"), [("build", "mirror"), ("text", "headline")])
def test_a_model_that_cannot_be_exported_is_told_by_its_layer(folder: Path, function: str, layer: str) -> None:
    _, text = mistake(folder, "export", f"lambda_model.py:{function}", "--output", "out.tflite", "--loss", "mse")
    assert layer in text


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for mine, other in (("--listen", "--admin-listen"), ("--admin-listen", "--listen")):
            argv = ("serve", "--state", folder / f"state{mine}", mine, f"127.0.0.1:{port}", other, "127.0.0.1:0")
            result = fieldfare(*argv)
            assert result.returncode != 0
            assert result.stderr.count("\n") == 1, result.stderr
            assert f"port {port} on 127.0.0.1 is taken" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("end", [("--once",), ("--until-idle", "1")])
def test_a_device_whose_aggregator_is_not_there(folder: Path, end: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_port()}"
    argv = ("--store", "empty.db", "--folder", "d", "--population", "p", "--aggregator", address, *end)
    result = fieldfare("device", "run", *argv, cwd=folder)
    assert result.returncode == 1
    first, last = result.stdout.splitlines()
    assert first.startswith(f"waiting: cannot reach the aggregator at {address} (connection refused)")
    assert last.startswith(f"unreachable: cannot reach the aggregator at {address} (connection refused)")
    assert "Traceback" not in result.stderr


def test_a_device_without_examples_gives_its_place_away(folder: Path) -> None:
    with ScriptedAggregator() as aggregator:
        aggregator.offer((folder / "plan.tflite").read_bytes(), (folder / "zero.weights").read_bytes())
        argv = ("--store", "empty.db", "--folder", "d", "--population", "p", "--aggregator", aggregator.address)
        result = fieldfare("device", "run", *argv, "--once", cwd=folder)
        assert result.stdout == "round 3 of task task-1: gave up: 0 examples, and the task needs 1\n"
        (seen,) = aggregator.reports
        assert seen.header.outcome == aggregator_pb2.OUTCOME_TOO_FEW_EXAMPLES
    assert "Traceback" not in result.stderr
