"""Frozen weights stored once: the same results from smaller plans, with XNNPACK and without."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from fieldfare.converters._flatbuffer import constant, pack, parse
from fieldfare.converters.freezing import freeze_constants
from fieldfare.core.errors import PlanError
from fieldfare.core.plans import attach_manifest, read_manifest
from tests.support.tiny_plan import tiny_manifest

tf = pytest.importorskip("tensorflow")

WORDS, LENGTH, WIDTH, HIDDEN = 300, 16, 256, 320
DELEGATES = {"with XNNPACK": OpResolverType.AUTO, "without": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def _random(rng, *shape):
    return tf.Variable(rng.normal(0.0, 1 / np.sqrt(shape[0]), shape).astype(np.float32))


class Network(tf.Module):
    """Frozen table and kernels, large (read in place) and small, and a trainable vector below all of them."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.trained = tf.Variable(rng.normal(size=WIDTH).astype(np.float32))
        self.table = _random(rng, WORDS, WIDTH)
        self.up, self.up_bias = _random(rng, WIDTH, HIDDEN), _random(rng, HIDDEN)
        self.down = _random(rng, HIDDEN, WIDTH)
        self.small, self.small_bias = _random(rng, WIDTH, 32), _random(rng, 32)

    def loss(self, ids):
        hidden = tf.gather(self.table, ids) + self.trained
        # The gradient of tf.nn.relu has no builtin.
        hidden = tf.maximum(tf.tensordot(hidden, self.up, 1) + self.up_bias, 0.0)
        hidden = tf.tanh(tf.tensordot(hidden, self.down, 1))
        hidden = tf.maximum(tf.tensordot(hidden, self.small, 1) + self.small_bias, 0.0)
        return tf.reduce_mean(tf.square(hidden))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((2, LENGTH), tf.int32)])
    def evaluate(self, ids):
        return {"loss": self.loss(ids)}

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((2, LENGTH), tf.int32)])
    def train(self, ids):
        loss = self.loss(ids)
        (slope,) = tf.gradients(loss, [self.trained])
        self.trained.assign_sub(0.1 * slope)
        return {"loss": loss, "slope": slope}


@dataclass(frozen=True)
class Plans:
    raw: bytes
    float32: bytes
    int8: bytes
    network: Network


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("network"))
    network = Network()
    signatures = {name: getattr(network, name).get_concrete_function() for name in ("evaluate", "train")}
    tf.saved_model.save(network, folder, signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
    converter.experimental_enable_resource_variables = True
    raw = bytes(converter.convert())
    return Plans(raw, freeze_constants(raw), freeze_constants(raw, dtype="int8"), network)


def _run(plan: bytes, kind) -> dict[str, np.ndarray]:
    interpreter = Interpreter(model_content=plan, experimental_op_resolver_type=kind)
    ids = np.random.default_rng(1).integers(0, WORDS, (2, LENGTH)).astype(np.int32)
    results = {f"evaluate {key}": one for key, one in interpreter.get_signature_runner("evaluate")(ids=ids).items()}
    train = interpreter.get_signature_runner("train")
    for step in range(2):
        results |= {f"train {step} {key}": np.array(one) for key, one in train(ids=ids).items()}
    return results


def _contents(plan: bytes) -> list[bytes]:
    return [bytes(one.data) for one in parse(plan).buffers if one.data is not None and len(one.data) > 4096]


@pytest.mark.parametrize("delegates", DELEGATES)
def test_float32_gives_what_the_converted_plan_gives(plans, delegates):
    expected, got = (_run(plan, DELEGATES[delegates]) for plan in (plans.raw, plans.float32))
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=1e-6 * np.abs(value).max(), err_msg=key)


@pytest.mark.parametrize("delegates", DELEGATES)
def test_int8_stays_near_float32(plans, delegates):
    expected, got = (_run(plan, DELEGATES[delegates]) for plan in (plans.raw, plans.int8))
    for key, value in expected.items():
        assert np.abs(got[key] - value).max() <= 0.05 * np.abs(value).max(), key


def test_each_frozen_weight_is_stored_once(plans):
    network = plans.network
    weights = [network.up.numpy(), network.down.numpy(), network.small.numpy()]
    raw, shared = _contents(plans.raw), _contents(plans.float32)
    for weight in weights:
        both = {weight.tobytes(), weight.T.copy().tobytes()}
        assert len([one for one in raw if one in both]) == 2, "the converter stores it once: the pass has no use"
        assert len([one for one in shared if one in both]) == 1
    assert shared.count(network.table.numpy().tobytes()) == 1


def test_int8_holds_no_frozen_weight_in_float32(plans):
    sizes = [len(one) for one in _contents(plans.int8)]
    network = plans.network
    elements = [int(tf.size(one)) for one in (network.table, network.up, network.down, network.small)]
    assert sorted(sizes) == sorted(elements)


def test_int8_rounds_each_row_of_a_table_with_a_scale_of_its_own(plans):
    tree = parse(plans.int8)
    table = plans.network.table.numpy()
    values = {tuple(one.shape): constant(tree, one) for graph in tree.subgraphs for one in graph.tensors}
    scales = values[WORDS, 1]
    np.testing.assert_allclose(scales[:, 0], np.abs(table).max(axis=1) / 127, rtol=1e-6)
    assert np.abs(values[WORDS, WIDTH] * scales - table).max() <= 0.51 * scales.max()


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_buffers_are_aligned_as_the_format_asks(plans, dtype):
    plan = getattr(plans, dtype)
    for content in _contents(plan):
        assert plan.index(content) % 16 == 0


def test_freezing_again_changes_nothing(plans):
    assert hashlib.sha256(freeze_constants(plans.float32)).digest() == hashlib.sha256(plans.float32).digest()


def test_a_plan_opens_from_a_file(plans, tmp_path: Path):
    path = tmp_path / "plan.tflite"
    path.write_bytes(plans.int8)
    Interpreter(model_path=str(path)).allocate_tensors()


def test_more_than_two_gigabytes_are_refused(plans):
    tree = parse(plans.float32)
    # One byte seen from everywhere: nothing of that size is in memory.
    tree.buffers[-1].data = np.broadcast_to(np.uint8(0), 1 << 31)
    with pytest.raises(PlanError, match="larger than 2 GB"):
        pack(tree)


def test_a_manifest_is_read_from_a_file_as_from_its_bytes(plans, tmp_path: Path):
    path, manifest = tmp_path / "plan.tflite", tiny_manifest()
    plan = attach_manifest(plans.int8, manifest)
    path.write_bytes(plan)
    assert read_manifest(path) == read_manifest(plan) == manifest
    assert all(plan.index(content) % 16 == 0 for content in _contents(plan))
    path.write_bytes(plan[:-1] + bytes([plan[-1] ^ 1]))
    with pytest.raises(PlanError, match="damaged"):
        read_manifest(path)
    path.write_bytes(b"")
    with pytest.raises(PlanError, match="is empty"):
        read_manifest(path)
    with pytest.raises(PlanError, match="cannot read the plan"):
        read_manifest(tmp_path / "absent.tflite")
