"""Convolutions that do not train stay convolutions in a training step, and give the gradients of what is below them."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from fieldfare.converters.lowerings import lowered_graph  # noqa: E402


def trace(image, frozen, trained):
    """Gradients by image and by what trains, of `conv(conv(image, trained), frozen)`, and the operations' types."""

    def step(image):
        with lowered_graph(training=True, trained=[trained]):
            hidden = tf.nn.conv2d(image, trained, 1, "SAME")
            result = tf.nn.conv2d(hidden, frozen, 2, "SAME")
            return tf.gradients(tf.reduce_sum(result * result), [image, trained])

    traced = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec(image.shape))
    return traced(tf.constant(image)), [one.type for one in traced.graph.get_operations()]


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_pass_through_a_frozen_convolution(groups):
    draw = np.random.default_rng(0)
    image = draw.standard_normal((2, 6, 5, 3)).astype(np.float32)
    trained = tf.Variable(draw.standard_normal((3, 3, 3, 4)).astype(np.float32))
    frozen = tf.Variable(draw.standard_normal((3, 2, 4 // groups, 6)).astype(np.float32))
    (mine_image, mine_kernel), types = trace(image, frozen, trained)
    with tf.GradientTape() as tape:
        source = tf.constant(image)
        tape.watch(source)
        result = tf.nn.conv2d(tf.nn.conv2d(source, trained, 1, "SAME"), frozen, 2, "SAME")
        total = tf.reduce_sum(result * result)
    theirs = tape.gradient(total, [source, trained])
    np.testing.assert_allclose(mine_image, theirs[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mine_kernel, theirs[1], rtol=1e-4, atol=1e-4)
    # The frozen one is still there for XNNPACK to run; of the other, and of all gradients, nothing is.
    assert types.count("Conv2D") == 1
    assert not [one for one in types if "Backprop" in one]
