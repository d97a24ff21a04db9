"""What training with a plan takes, against a graph whose tensors can be counted by hand."""

from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from fieldfare.core.plans import PlanTensor, attach_manifest, read_manifest, training_memory
from fieldfare.core.weights import TensorSpec
from tests.support.tiny_plan import tiny_manifest, tiny_plan

RUNTIME, COPIES = 12_000_000, 7
TYPES = schema.TensorType
# Three weights of 4 bytes and one int32 of state.
FIXED = RUNTIME + COPIES * 3 * 4 + 4


def tensor(shape: list[int] | None, kind: int = TYPES.FLOAT32, buffer: int = 0) -> schema.TensorT:
    made = schema.TensorT()
    made.shape, made.type, made.buffer = shape, kind, buffer
    return made


def operator(inputs: list[int], outputs: list[int]) -> schema.OperatorT:
    made = schema.OperatorT()
    made.inputs, made.outputs = inputs, outputs
    return made


def graph(tensors: list, operators: list, inputs: list[int], outputs: list[int]) -> schema.SubGraphT:
    made = schema.SubGraphT()
    made.tensors, made.operators, made.inputs, made.outputs = tensors, operators, inputs, outputs
    return made


def plan(**graphs: schema.SubGraphT) -> bytes:
    model = schema.ModelT()
    constant = schema.BufferT()
    constant.data = np.zeros(4000, np.uint8)
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT(), constant], list(graphs.values())
    model.signatureDefs = []
    for index, name in enumerate(graphs):
        one = schema.SignatureDefT()
        one.signatureKey, one.subgraphIndex = name, index
        model.signatureDefs.append(one)
    builder = flatbuffers.Builder(8192)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return attach_manifest(bytes(builder.Output()), tiny_manifest(features=2))


def arena(**graphs: schema.SubGraphT) -> float:
    made = plan(**graphs)
    return (training_memory(made, read_manifest(made)) - FIXED - len(made)) / 1.5


# 0 (640 bytes) -> 1 (1280) -> 2 (320) -> 5 (960), with a constant and a variable's handle beside, and an absent input.
CHAIN = graph(
    [
        tensor([160]),
        tensor([2, 160]),
        tensor([5, 16]),
        tensor([1000], buffer=1),
        tensor([], TYPES.RESOURCE),
        tensor([240]),
    ],
    [operator([0, 3, -1], [1]), operator([1, 4], [2]), operator([2], [5])],
    [0],
    [5],
)


def test_tensors_that_do_not_live_together_share_their_place() -> None:
    # The runtime keeps inputs to the end: 640 + 1280, then 640 + 1280 + 320, then 640 + 320 + 960.
    assert arena(train=CHAIN) == 2240


def test_a_tensor_that_is_read_again_later_stays() -> None:
    steps = [operator([0], [1]), operator([1], [2]), operator([0, 2], [3])]
    both = graph([tensor([160]), tensor([320]), tensor([80]), tensor([16])], steps, [0], [3])
    assert arena(train=both) == 640 + 1280 + 320


def test_every_size_is_a_multiple_of_64_and_follows_the_type() -> None:
    kinds = {TYPES.BOOL: 1, TYPES.FLOAT16: 2, TYPES.INT32: 4, TYPES.INT64: 8}
    for kind, size in kinds.items():
        one = graph([tensor([100], kind), tensor(None)], [operator([0], [1])], [0], [1])
        assert arena(train=one) == -(-100 * size // 64) * 64 + 64


def test_signatures_have_arenas_of_their_own_and_only_one_steps() -> None:
    small = graph([tensor([16]), tensor([16])], [operator([0], [1])], [0], [1])
    assert arena(train=CHAIN, gradients=small) == arena(train=small, gradients=CHAIN) == 2240
    assert arena(train=CHAIN, evaluate=small, get_weights=small, set_weights=small) == 2240 + 3 * 128
    # What the device does not run while it trains is not counted.
    assert arena(train=CHAIN, infer=CHAIN, get_state=CHAIN) == 2240


def test_a_graph_without_operators_takes_nothing_but_its_inputs() -> None:
    assert arena(train=graph([tensor([16])], [], [0], [0])) == 64
    assert arena(train=graph([], [], [], [])) == 0


def test_a_file_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "plan").write_bytes(tiny_plan())
    manifest = tiny_manifest()
    needed = training_memory(tmp_path / "plan", manifest)
    assert needed == training_memory(tiny_plan(), manifest)
    assert needed > RUNTIME + len(tiny_plan())


def test_weights_and_state_are_counted() -> None:
    made = plan(train=CHAIN)
    manifest = read_manifest(made)
    more = replace(manifest, state=(PlanTensor(TensorSpec("m", "float32", (100,)), "state_0"),))
    assert training_memory(made, more) - training_memory(made, manifest) == 396
    doubled = (*manifest.weights, replace(manifest.weights[0], key="k", spec=TensorSpec("k", "float32", (100,))))
    assert training_memory(made, replace(manifest, weights=doubled)) - training_memory(made, manifest) == 7 * 400
