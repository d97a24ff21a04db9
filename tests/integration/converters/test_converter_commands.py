"""`fieldfare export` and `fieldfare convert`, as a user runs them."""

import io
from importlib import metadata

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from fieldfare.core.command import Console, run
from fieldfare.core.plans import PlanRuntime, read_manifest

_MODEL = """
import keras

def build():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")], name="tiny")

def noisy():
    return keras.Sequential([keras.Input((3,)), keras.layers.SpectralNormalization(keras.layers.Dense(2), name="hiss")])

class Reader(keras.Model):
    def __init__(self):
        super().__init__(name="reader")
        self.words, self.middle = keras.layers.Embedding(20, 4), keras.layers.Dense(3, name="middle")
        self.head = keras.layers.Dense(2, name="head")

    def call(self, ids):
        return self.head(self.middle(keras.ops.mean(self.words(ids), axis=1)))

def reader():
    return Reader()

def nothing():
    return None

def broken():
    return {}["weights of 1.5 and\\n2.5"]

def greedy(size):
    return size
"""


@pytest.fixture
def fieldfare():
    entries = [one for one in metadata.entry_points(group="fieldfare.commands") if one.name in {"export", "convert"}]

    def call(*argv):
        console = Console(io.StringIO(), io.StringIO())
        status = run([str(one) for one in argv], console, {}, entries)
        return status, console.out.getvalue(), console.err.getvalue()

    return call


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "tiny_model.py"
    path.write_text(_MODEL)
    return path


def test_export_check_and_convert(fieldfare, source, tmp_path):
    plan = tmp_path / "plan.tflite"
    words = ["--loss", "mse", "--metric", "mae", "--learning-rate", "0.1", "--batch-size", "4"]
    status, out, err = fieldfare("export", f"{source}:build", "-o", plan, *words, "--check", "--check-steps", "2")
    assert (status, err) == (0, "")
    assert "out/kernel" in out
    assert "equal within 1e-05" in out
    manifest = read_manifest(plan.read_bytes())
    assert (manifest.name, manifest.batch_size, manifest.learning_rate) == ("tiny", 4, pytest.approx(0.1))

    vector = PlanRuntime(plan).get_weights()
    for ending in ("safetensors", "npz", "weights"):
        weights = tmp_path / f"w.{ending}"
        assert fieldfare("convert", plan, "--to", weights)[0] == 0
        trained = tmp_path / f"{ending}.tflite"
        assert fieldfare("convert", plan, weights, "--plan", "--to", trained)[0] == 0
        np.testing.assert_array_equal(PlanRuntime(trained).get_weights(), vector)
    inference = tmp_path / "model.tflite"
    assert fieldfare("convert", plan, weights, "--to", inference)[0] == 0
    run_one = Interpreter(model_path=str(inference)).get_signature_runner()
    kernel, bias = vector[:6].reshape(3, 2), vector[6:]
    example = np.array([[1, 2, 3]], np.float32)
    np.testing.assert_allclose(run_one(input=example)["out"], example @ kernel + bias, rtol=1e-5)


def test_a_check_that_fails_gives_a_status(fieldfare, source, tmp_path):
    plan = tmp_path / "plan.tflite"
    words = ["--loss", "mse", "--batch-size", "4", "--check", "--check-steps", "4"]
    # Weights that run off to infinity are equal to nothing.
    status, out, _ = fieldfare("export", f"{source}:build", "-o", plan, *words, "--learning-rate", "1e30")
    assert (status, "NOT equal" in out) == (1, True)
    assert f"{plan} was not written" in out
    assert not plan.exists()


def test_a_subclassed_model_of_which_a_part_trains(fieldfare, source, tmp_path):
    plan = tmp_path / "plan.tflite"
    words = [
        "--loss",
        "mse",
        "--input",
        "ids=int32:5",
        "--trainable",
        "head",
        "--trainable",
        "lora:1:middle",
        "--check",
    ]
    status, out, err = fieldfare("export", f"{source}:reader", "-o", plan, *words)
    assert (status, err) == (0, "")
    assert "takes  ids: int32 [5]" in out
    assert "trainable: head, lora:1:middle; the rest is frozen in float32" in out
    assert "equal within 1e-05" in out
    assert len(read_manifest(plan.read_bytes()).weights) == 4


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["export", "{source}:noisy", "-o", "{folder}/p.tflite", "--loss", "mse"], "'hiss'"),
        (["export", "{source}:reader", "-o", "{folder}/p.tflite", "--loss", "mse"], "inputs=keras.Input"),
        (["export", "{source}:reader", "-o", "{folder}/p.tflite", "--input", "int32"], "'int32' is not understood"),
        (["export", "{source}:reader", "-o", "{folder}/p.tflite", "--input", "odd:5"], "'odd:5': Invalid dtype"),
        (["export", "{source}:build", "-o", "{folder}/p.tflite", "--trainable", "heda"], "no layer with weights"),
        (["export", "{source}:build", "-o", "{folder}/none/p.tflite", "--loss", "mse"], "there is no folder"),
        (["export", "{source}:build", "-o", "{folder}/p.tflite"], "no loss was given"),
        (["export", "{source}:build", "-o", "{folder}/p.tflite", "--loss", "mse", "--batch-size", "0"], "batch_size"),
        (["export", "{source}:absent", "-o", "{folder}/p.tflite"], "has no function 'absent'"),
        (["export", "{source}:nothing", "-o", "{folder}/p.tflite"], "NoneType"),
        (["export", "no.such.module:build", "-o", "{folder}/p.tflite"], "no module no.such.module"),
        (["export", "{source}:build", "-o", "{folder}/p.h5", "--loss", "mse"], "must end in .tflite, got 'p.h5'"),
        (["export", "{source}:build", "-o", "{folder}/p.tflite", "--check-steps", "0"], "must be 1 or more, got 0"),
        (["export", "{source}:build", "-o", "{folder}/p.tflite", "--check", "--frozen-dtype", "int8"], "in float32"),
        (["export", "{source}:reader", "-o", "{folder}/p.tflite", "--input", "string:4"], "turn text into integers"),
        (["export", "missing.keras", "-o", "{folder}/p.tflite"], "no file missing.keras"),
        (["export", "model.h5", "-o", "{folder}/p.tflite"], ".keras file"),
        (["convert", "missing.tflite", "--to", "{folder}/p.tflite"], "cannot read missing.tflite"),
        (["convert", "{source}", "--to", "{folder}/p.tflite"], "not a Fieldfare plan"),
        (["convert", "{source}", "--to", "{folder}/p.onnx"], "must end in"),
    ],
)
def test_errors_are_told_without_a_stack_trace(fieldfare, source, tmp_path, argv, message):
    status, out, err = fieldfare(*(one.format(source=source, folder=tmp_path) for one in argv))
    assert status in {1, 2}
    assert out == ""
    assert err.startswith("fieldfare: ")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_saved_keras_file_can_be_exported(fieldfare, exported, tmp_path):
    case = exported("digits")
    saved, plan = tmp_path / "model.keras", tmp_path / "plan.tflite"
    case.model.save(saved)
    status, _, err = fieldfare("export", saved, "-o", plan)
    assert (status, err) == (0, "")
    np.testing.assert_array_equal(PlanRuntime(plan).get_weights(), PlanRuntime(case.path).get_weights())
    broken, content = tmp_path / "broken.keras", saved.read_bytes()
    middle = len(content) // 2
    for damaged in (b"no zip", content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]):
        broken.write_bytes(damaged)
        status, _, err = fieldfare("export", broken, "-o", tmp_path / "never.tflite")
        assert (status, "broken.keras" in err, (tmp_path / "never.tflite").exists()) == (1, True, False)
        assert "Traceback" not in err


@pytest.mark.parametrize(("name", "words"), [("broken", "raised KeyError: "), ("greedy", "raised TypeError: greedy()")])
def test_what_the_users_function_raises_is_one_line(fieldfare, source, tmp_path, name, words):
    status, out, err = fieldfare("export", f"{source}:{name}", "-o", tmp_path / "plan.tflite", "--loss", "mse")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert f"{source}:{name} {words}" in err
    assert "FIELDFARE_TRACEBACK=1" in err
    assert not (tmp_path / "plan.tflite").exists()


def test_a_file_that_cannot_be_imported_is_one_line(fieldfare, tmp_path):
    (tmp_path / "lame.py").write_text("import a_package_that_nobody_has")
    status, out, err = fieldfare("export", f"{tmp_path / 'lame.py'}:build", "-o", tmp_path / "plan.tflite")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "lame.py raised ModuleNotFoundError: No module named 'a_package_that_nobody_has'" in err
