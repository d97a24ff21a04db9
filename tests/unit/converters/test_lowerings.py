"""Each lowering against TensorFlow's own gradient of the same operation."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from fieldfare.converters.lowerings import lowered_graph, lowered_ops, lowering  # noqa: E402

_FORBIDDEN = ("Grad", "BackpropFilter", "UnsortedSegmentSum")


def _pairs(*names):
    return [(name, padding) for name in names for padding in ("SAME", "VALID")]


def _conv(strides=1, dilations=1):
    return lambda padding: lambda x, w: tf.nn.conv2d(x, w, strides, padding, dilations=dilations)


def _depthwise(stride, dilation):
    return lambda padding: (
        lambda x, w: tf.nn.depthwise_conv2d(x, w, (1, stride, stride, 1), padding, dilations=(dilation, dilation))
    )


def _pool(size, stride):
    return lambda padding: lambda x: tf.nn.max_pool2d(x, size, stride, padding)


def _average(size, stride):
    return lambda padding: lambda x: tf.nn.avg_pool2d(x, size, stride, padding)


IMAGE = (2, 9, 11, 3)
KERNEL = (3, 4, 3, 5)
WINDOWED = {
    "conv": (_conv(), IMAGE, KERNEL),
    "conv stride 2": (_conv(2), IMAGE, KERNEL),
    "conv stride 3": (_conv(3), IMAGE, KERNEL),
    "conv stride (2, 1)": (_conv((2, 1)), IMAGE, KERNEL),
    "conv stride beyond kernel": (_conv(3), IMAGE, (2, 1, 3, 5)),
    "conv dilation 2": (_conv(1, 2), IMAGE, KERNEL),
    "conv kernel 7": (_conv(), IMAGE, (7, 6, 3, 2)),
    "depthwise": (_depthwise(1, 1), IMAGE, (3, 4, 3, 1)),
    "depthwise stride, multiplier": (_depthwise(2, 1), IMAGE, (3, 4, 3, 2)),
    "conv of few channels": (_conv((2, 1), 1), (2, 9, 11, 1), (3, 4, 1, 5)),
    "conv dilation, few channels": (_conv(1, 2), (2, 9, 11, 4), (3, 2, 4, 5)),
    "conv of many channels": (_conv(), (3, 9, 11, 40), (3, 4, 40, 8)),
    "depthwise stride 3": (_depthwise(3, 1), (17, 9, 11, 130), (2, 3, 130, 1)),
    "depthwise dilation": (_depthwise(1, 2), IMAGE, (3, 4, 3, 3)),
    "pool tiles": (_pool(2, 2), IMAGE),
    "pool overlapping": (_pool(3, 2), IMAGE),
    "pool stride 1": (_pool(2, 1), IMAGE),
    "average tiles": (_average(2, 2), IMAGE),
    "average overlapping": (_average(3, 2), IMAGE),
    "pool gaps": (_pool(2, 3), IMAGE),
}
PLAIN = {
    "relu": (lambda x: tf.nn.relu(x * 4), (3, 40)),
    "relu6": (lambda x: tf.nn.relu6(x * 4), (3, 40)),
    "leaky_relu": (lambda x: tf.nn.leaky_relu(x, 0.3), (3, 40)),
    "elu": (tf.nn.elu, (3, 40)),
    "softsign": (tf.nn.softsign, (3, 40)),
    "slice step": (lambda x: x[:, 1:7:2, 3, -4:], (2, 9, 11, 5)),
    "slice end": (lambda x: x[-1, :, ::3], (2, 9, 11, 5)),
    "slice last": (lambda x: x[..., -2], (2, 9, 11, 5)),
    "slice around an ellipsis": (lambda x: x[1:, ..., 2:4], (2, 9, 11, 5)),
    "slice with an ellipsis of nothing": (lambda x: x[1:, ..., 2, :3], (2, 9, 11)),
    "slice with new axes": (lambda x: x[:, None, 1, ..., tf.newaxis], (2, 9, 11, 5)),
    "slice backwards": (lambda x: x[:, ::-1, 8:2:-3], (2, 9, 11, 5)),
    "product": (tf.matmul, (3, 4), (4, 5)),
    "product of transposes": (lambda a, b: tf.matmul(a, b, transpose_a=True, transpose_b=True), (4, 3), (5, 4)),
    "product, left transposed": (lambda a, b: tf.matmul(a, b, transpose_a=True), (4, 3), (4, 5)),
    "product, right transposed": (lambda a, b: tf.matmul(a, b, transpose_b=True), (3, 4), (5, 4)),
    "dense of two axes": (lambda x, w: tf.einsum("abc,cde->abde", x, w), (2, 3, 4), (4, 5, 2)),
    "dense over two axes": (lambda x, w: tf.einsum("abcd,cde->abe", x, w), (2, 3, 4, 5), (4, 5, 6)),
    "einsum of pairs": (lambda x, y: tf.einsum("abc,adc->abd", x, y), (2, 3, 4), (2, 5, 4)),
    "gather rows": (lambda x: tf.gather(x, [[1, 2], [1, 1]], axis=0), (4, 3, 2)),
    "gather middle": (lambda x: tf.gather(x, [[1, 2], [1, 1]], axis=1), (4, 3, 2)),
    "gather one": (lambda x: tf.gather(x, 1, axis=1), (4, 3, 2)),
    "transposed conv": (lambda x, w: tf.nn.conv2d_transpose(x, w, (2, 18, 22, 3), 2, "SAME"), (2, 9, 11, 5), KERNEL),
    "transposed conv VALID": (
        lambda x, w: tf.nn.conv2d_transpose(x, w, (2, 11, 14, 3), 1, "VALID"),
        (2, 9, 11, 5),
        KERNEL,
    ),
}


def _compare(function, *arrays):
    upstream = np.random.default_rng(1).standard_normal(function(*map(tf.constant, arrays)).shape).astype("f4")
    with tf.GradientTape() as tape:
        values = [tf.constant(array) for array in arrays]
        tape.watch(values)
        total = tf.reduce_sum(function(*values) * upstream)
    expected = [tf.convert_to_tensor(one).numpy() for one in tape.gradient(total, values)]

    @tf.function(autograph=False)
    def lowered(*values):
        with lowered_graph(training=True):
            return tf.gradients(tf.reduce_sum(function(*values) * upstream), list(values))

    concrete = lowered.get_concrete_function(*[tf.TensorSpec(array.shape) for array in arrays])
    for got, want in zip(concrete(*map(tf.constant, arrays)), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
    types = {one.type for one in concrete.graph.get_operations()}
    assert not [one for one in types if any(part in one for part in _FORBIDDEN)]


@pytest.mark.parametrize(("name", "padding"), _pairs(*WINDOWED))
def test_windowed_gradient_is_tensorflows(name, padding):
    function, *shapes = WINDOWED[name]
    draw = np.random.default_rng(0)
    _compare(function(padding), *(draw.standard_normal(shape).astype("f4") for shape in shapes))


@pytest.mark.parametrize("name", PLAIN)
def test_gradient_is_tensorflows(name):
    function, *shapes = PLAIN[name]
    draw = np.random.default_rng(0)
    _compare(function, *(draw.standard_normal(shape).astype("f4") for shape in shapes))


@pytest.mark.parametrize(("name", "padding"), _pairs("pool tiles", "pool overlapping"))
def test_ties_go_where_tensorflow_sends_them(name, padding):
    image = np.random.default_rng(0).integers(-1, 2, IMAGE).astype("f4")
    _compare(WINDOWED[name][0](padding), image)


def test_relu_at_zero_has_no_gradient():
    _compare(tf.nn.relu, np.array([-1.0, 0.0, 1e-20, 5.0], "f4"))


def test_channels_first_is_refused_rather_than_wrong():
    def traced(image):
        with lowered_graph(training=True):
            pooled = tf.raw_ops.MaxPool(
                input=image, ksize=[1, 1, 2, 2], strides=[1, 1, 2, 2], padding="VALID", data_format="NCHW"
            )
            return tf.gradients(tf.reduce_sum(pooled), image)

    with pytest.raises(ValueError, match="channels_last"):
        tf.function(traced, autograph=False).get_concrete_function(tf.TensorSpec((1, 3, 4, 4)))


def test_a_recurrence_is_one_product_each_for_inputs_and_gradients():
    kernel, recurrent, bias = (tf.Variable(tf.random.stateless_normal(size, (1, 2))) for size in ((3, 4), (4, 4), (4,)))
    inputs = np.random.default_rng(0).standard_normal((5, 2, 3)).astype("f4")

    def unrolled(sequence):
        state = tf.zeros((2, 4))
        for step in tf.unstack(sequence):
            state = tf.tanh(tf.matmul(step, kernel) + tf.matmul(state, recurrent) + bias)
        return tf.reduce_sum(state)

    variables = [kernel, recurrent, bias]
    with tf.GradientTape() as tape:
        total = unrolled(tf.constant(inputs))
    expected = tape.gradient(total, variables)

    @tf.function(autograph=False)
    def lowered(sequence):
        with lowered_graph(training=True):
            return tf.gradients(unrolled(sequence), variables)

    concrete = lowered.get_concrete_function(tf.TensorSpec(inputs.shape))
    for got, want in zip(concrete(tf.constant(inputs)), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
    used = [one for one in concrete.graph.get_operations() if one.type == "MatMul" and one.outputs[0].consumers()]
    # Gradients of the two kernels; the inputs at once and five states. Single gradients of steps are not used.
    assert len([one for one in used if one.get_attr("transpose_a")]) == 2
    assert len([one for one in used if not one.get_attr("transpose_a")]) == 1 + 5
    assert "AddN" not in {one.type for one in concrete.graph.get_operations()}


def test_an_operation_has_one_lowering():
    assert "MaxPool" in lowered_ops()
    with pytest.raises(KeyError):
        lowering("MaxPool")(lambda op, gradient: None)


def test_outside_the_context_gradients_are_tensorflows():
    @tf.function(autograph=False)
    def plain(x):
        return tf.gradients(tf.nn.relu(x), x)

    types = {one.type for one in plain.get_concrete_function(tf.TensorSpec((3,))).graph.get_operations()}
    assert "ReluGrad" in types
