"""What the way to an inference model does to a graph, on graphs built by hand."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from fieldfare.converters._flatbuffer import add_tensor, constant, new_operator, op_code, pack, parse
from fieldfare.converters.inference import InferenceModel, weights_to_int8
from fieldfare.converters.inference._fold import fold_constants
from fieldfare.converters.inference._fuse import fuse_layers
from fieldfare.converters.inference._graph import keep_only, new_constant
from fieldfare.converters.inference._weights import unpack_weights

_FLOAT = schema.TensorType.FLOAT32
_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}


class Graph:
    """A model of one subgraph with the input "x"; the last operator's output is "y"."""

    def __init__(self, *shape):
        self.tree, self.subgraph = schema.ModelT(), schema.SubGraphT()
        self.tree.version, self.tree.operatorCodes, self.tree.subgraphs = 3, [], [self.subgraph]
        self.tree.buffers = [schema.BufferT()]
        self.subgraph.tensors, self.subgraph.operators = [], []
        self.x = add_tensor(self.subgraph, b"x", shape, _FLOAT)

    def constant(self, value):
        return new_constant(self.tree, self.subgraph, b"c%d" % len(self.subgraph.tensors), np.asarray(value))

    def op(self, name, inputs, shape, options=None, **settings):
        output = add_tensor(self.subgraph, b"t%d" % len(self.subgraph.tensors), shape, _FLOAT)
        options = options or getattr(schema, f"{name.title().replace('_', '').replace('Matmul', 'MatMul')}OptionsT")()
        for key, value in settings.items():
            setattr(options, key, value)
        self.subgraph.operators.append(new_operator(self.tree, name, inputs, [output], options))
        return output

    def done(self, output):
        """Ends the graph in `output`; returns the model's bytes."""
        entries = []
        for name, index in ((b"x", self.x), (b"y", output)):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, index
            entries.append(entry)
        found = schema.SignatureDefT()
        found.signatureKey, found.subgraphIndex, found.inputs, found.outputs = b"main", 0, entries[:1], entries[1:]
        self.subgraph.inputs, self.subgraph.outputs = [self.x], [output]
        self.tree.signatureDefs = [found]
        return pack(self.tree)


def _names(tree):
    return [_NAMES[op_code(tree, one)] for one in tree.subgraphs[0].operators]


def _simplified(model):
    """The operators' names after folding and fusing, and the model; its outputs are those of `model`."""
    tree = parse(model)
    fold_constants(tree, tree.subgraphs[0])
    fuse_layers(tree, tree.subgraphs[0])
    keep_only(tree, tree.signatureDefs[0])
    simple = pack(tree)
    shape = InferenceModel(model).input_specs[0].shape
    batch = InferenceModel(model).batch_size
    x = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
    want = InferenceModel(model, delegates=False).predict({"x": x})["y"]
    for delegates in (False, True):
        got = InferenceModel(simple, delegates=delegates).predict({"x": x})["y"]
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    return _names(tree), simple


@pytest.fixture
def draw():
    random = np.random.default_rng(3)
    return lambda *shape: random.standard_normal(shape, np.float32)


def test_a_dense_layer_of_any_rank_becomes_one_operator(draw):
    for shape in ((2, 5), (1, 3, 5)):
        graph = Graph(*shape)
        product = graph.op("BATCH_MATMUL", [graph.x, graph.constant(draw(5, 4))], (*shape[:-1], 4))
        summed = graph.op("ADD", [graph.constant(draw(4)), product], (*shape[:-1], 4))
        scaled = graph.op("MUL", [summed, graph.constant(draw(1, 4))], (*shape[:-1], 4), fusedActivationFunction=1)
        assert _simplified(graph.done(scaled))[0] == ["FULLY_CONNECTED"]


@pytest.mark.parametrize(("adj_x", "weight"), [(False, (4, 5)), (True, (5, 4))])
def test_a_frozen_weight_on_the_left_becomes_a_dense_layer(draw, adj_x, weight):
    graph = Graph(3, 5)
    product = graph.op("BATCH_MATMUL", [graph.constant(draw(*weight)), graph.x], (4, 3), adjX=adj_x, adjY=True)
    order = graph.constant(np.array([1, 0], np.int32))
    assert _simplified(graph.done(graph.op("TRANSPOSE", [product, order], (3, 4))))[0] == ["FULLY_CONNECTED"]


def test_a_product_of_many_axes_stays_where_the_transpose_after_it_is_another(draw):
    graph = Graph(2, 3, 6, 4)
    product = graph.op("BATCH_MATMUL", [graph.constant(draw(5, 4)), graph.x], (2, 3, 5, 6), adjY=True)
    order = graph.constant(np.array([0, 2, 1, 3], np.int32))
    names, _ = _simplified(graph.done(graph.op("TRANSPOSE", [product, order], (2, 5, 3, 6))))
    assert names == ["BATCH_MATMUL", "TRANSPOSE"]


@pytest.mark.parametrize(
    ("name", "weights", "output"),
    [
        ("CONV_2D", (3, 2, 2, 4), (1, 6, 5, 3)),
        ("DEPTHWISE_CONV_2D", (1, 2, 2, 4), (1, 6, 5, 4)),
    ],
)
def test_batch_normalisation_goes_into_a_convolution(draw, name, weights, output):
    graph, kind = Graph(1, 6, 5, 4), {"CONV_2D": "Conv2DOptionsT", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptionsT"}
    inputs = [graph.x, graph.constant(draw(*weights)), graph.constant(draw(output[-1]))]
    settings = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    if name != "CONV_2D":
        settings["depthMultiplier"] = 1
    made = graph.op(name, inputs, output, getattr(schema, kind[name])(), **settings)
    scaled = graph.op("MUL", [made, graph.constant(draw(output[-1]))], output)
    moved = graph.op("ADD", [scaled, graph.constant(draw(output[-1]))], output)
    cut = graph.op("RELU6", [moved], output, schema.LeakyReluOptionsT())
    assert _simplified(graph.done(cut))[0] == [name]


def test_the_bias_of_attention_heads_goes_through_the_reshape(draw):
    graph = Graph(1, 3, 8)
    product = graph.op("BATCH_MATMUL", [graph.x, graph.constant(draw(8, 6))], (1, 3, 6))
    heads = graph.op("RESHAPE", [product, graph.constant(np.array([1, 3, 2, 3], np.int32))], (1, 3, 2, 3))
    summed = graph.op("ADD", [heads, graph.constant(draw(2, 3))], (1, 3, 2, 3))
    assert _simplified(graph.done(summed))[0] == ["FULLY_CONNECTED", "RESHAPE"]


@pytest.mark.parametrize("shape", [(4, 1), (4, 4), (1, 4, 1)])
def test_a_constant_along_another_axis_stays_where_it_is(draw, shape):
    graph = Graph(1, 4, 4)
    product = graph.op("BATCH_MATMUL", [graph.x, graph.constant(draw(4, 4))], (1, 4, 4))
    summed = graph.op("ADD", [product, graph.constant(draw(*shape))], (1, 4, 4))
    assert _simplified(graph.done(summed))[0] == ["FULLY_CONNECTED", "ADD"]


def test_what_is_used_twice_is_not_absorbed(draw):
    graph = Graph(2, 4)
    product = graph.op("BATCH_MATMUL", [graph.x, graph.constant(draw(4, 4))], (2, 4))
    summed = graph.op("ADD", [product, graph.constant(draw(4))], (2, 4))
    both = graph.op("MUL", [summed, product], (2, 4))
    assert _simplified(graph.done(both))[0] == ["FULLY_CONNECTED", "ADD", "MUL"]


def test_nothing_follows_an_activation_into_a_layer(draw):
    graph = Graph(2, 4)
    product = graph.op("BATCH_MATMUL", [graph.x, graph.constant(draw(4, 4))], (2, 4))
    positive = graph.op("ADD", [product, graph.constant(draw(4))], (2, 4), fusedActivationFunction=1)
    scaled = graph.op("MUL", [positive, graph.constant(draw(4))], (2, 4))
    assert _simplified(graph.done(scaled))[0] == ["FULLY_CONNECTED", "MUL"]


def test_lora_is_merged_into_a_kernel_but_not_multiplied_out_alone(draw):
    graph = Graph(2, 80)
    factors = graph.op("BATCH_MATMUL", [graph.constant(draw(80, 2)), graph.constant(draw(2, 80))], (80, 80))
    alone = graph.op("BATCH_MATMUL", [graph.x, factors], (2, 80))
    names, model = _simplified(graph.done(alone))
    assert names == ["FULLY_CONNECTED", "BATCH_MATMUL"]
    assert len(model) < 80 * 80 * 4

    graph = Graph(2, 80)
    factors = graph.op("BATCH_MATMUL", [graph.constant(draw(80, 2)), graph.constant(draw(2, 80))], (80, 80))
    kernel = graph.op("ADD", [graph.constant(draw(80, 80)), factors], (80, 80))
    merged = graph.op("BATCH_MATMUL", [graph.x, kernel], (2, 80))
    assert _simplified(graph.done(merged))[0] == ["FULLY_CONNECTED"]


def test_equal_constants_are_stored_once(draw):
    kernel = draw(30, 30)
    graph = Graph(1, 30)
    step = graph.x
    for _ in range(4):
        step = graph.op("TANH", [graph.op("BATCH_MATMUL", [step, graph.constant(kernel)], (1, 30))], (1, 30), _none())
    names, model = _simplified(graph.done(step))
    assert names == ["FULLY_CONNECTED", "TANH"] * 4
    assert len(model) < 2 * kernel.nbytes


def _none():
    return schema.LeakyReluOptionsT()


def test_int8_weights_round_to_the_nearest_code_and_unpack_again(draw):
    kernel = draw(30, 20)
    kernel[:, 7] = 0.0
    graph = Graph(1, 30)
    model = graph.done(graph.op("BATCH_MATMUL", [graph.x, graph.constant(kernel)], (1, 20)))
    float_model = _simplified(model)[1]
    packed = weights_to_int8(float_model)
    assert len(packed) < 0.6 * len(float_model)
    tree = parse(packed)
    assert _names(tree) == ["DEQUANTIZE", "FULLY_CONNECTED"]
    unpacked = parse(unpack_weights(packed))
    (operator,) = unpacked.subgraphs[0].operators
    got = constant(unpacked, unpacked.subgraphs[0].tensors[operator.inputs[1]]).T
    half_a_step = np.abs(kernel).max(axis=0) / 127 / 2
    assert (np.abs(got - kernel) <= half_a_step * 1.001).all()
    one_hot = np.eye(30, dtype=np.float32)
    for delegates in (False, True):
        rows = InferenceModel(packed, delegates=delegates).predict({"x": one_hot})["y"]
        np.testing.assert_allclose(rows, got, rtol=1e-6)


def test_small_weights_stay_float(draw):
    graph = Graph(1, 5)
    model = graph.done(graph.op("BATCH_MATMUL", [graph.x, graph.constant(draw(5, 4))], (1, 4)))
    assert "DEQUANTIZE" not in _names(parse(weights_to_int8(model)))
