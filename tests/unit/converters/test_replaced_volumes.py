"""Convolutions and pools of volumes, value and gradient, against TensorFlow's own."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from fieldfare.converters.lowerings import lowered_graph  # noqa: E402
from tests.unit.converters.lowered import Case, check  # noqa: E402

VOLUME = (2, 5, 7, 6, 3)
KERNEL = (3, 2, 3, 3, 4)
SMALL = (2, 3, 4, 3, 4)


def _conv(strides, padding, *shapes):
    return Case("Conv3D", lambda x, w: tf.nn.conv3d(x, w, (1, *strides, 1), padding), shapes or (VOLUME, KERNEL))


def _dilated(dilations, padding):
    # TensorFlow itself has dilated kernels of volumes for GPUs only.
    return Case(
        "Conv3D",
        lambda x, w: tf.nn.conv3d(x, w, (1, 1, 1, 1, 1), padding, dilations=(1, *dilations, 1)),
        ((2, 5, 7, 8, 3), KERNEL),
        lambda x, w: tf.nn.convolution(x, w, padding=padding, dilations=dilations),
    )


def _transposed(strides, padding, sizes, kernel=KERNEL):
    shape = (2, *sizes, 3)
    return Case(
        "Conv3DBackpropInputV2",
        lambda x, w: tf.nn.conv3d_transpose(x, w, shape, (1, *strides, 1), padding),
        (SMALL, kernel),
    )


def _pool(op, sizes, strides, padding, volume=VOLUME):
    function = {"MaxPool3D": tf.nn.max_pool3d, "AvgPool3D": tf.nn.avg_pool3d}[op]
    return Case(op, lambda x: function(x, sizes, strides, padding), (volume,))


def _pools(op):
    cases = {}
    for padding in ("SAME", "VALID"):
        cases |= {
            f"{op} {padding}, tiles": _pool(op, 2, 2, padding),
            f"{op} {padding}, overlapping": _pool(op, 3, 2, padding),
            f"{op} {padding}, gaps": _pool(op, (1, 2, 2), 3, padding),
            f"{op} {padding}, each axis its own": _pool(op, (2, 3, 1), (1, 2, 3), padding),
        }
    return cases


CASES = {
    **{
        f"Conv3D {padding}, strides {strides}": _conv(strides, padding)
        for padding in ("SAME", "VALID")
        for strides in ((1, 1, 1), (2, 2, 2), (3, 1, 2))
    },
    "Conv3D SAME, stride beyond the kernel": _conv((3, 3, 3), "SAME", VOLUME, (2, 1, 2, 3, 4)),
    "Conv3D VALID, stride beyond the kernel": _conv((3, 3, 3), "VALID", VOLUME, (2, 1, 2, 3, 4)),
    "Conv3D SAME, one depth": _conv((1, 1, 1), "SAME", (2, 1, 4, 4, 3), KERNEL),
    "Conv3D VALID, kernel of the volume's size": _conv((1, 1, 1), "VALID", (2, 3, 4, 2, 3), (3, 4, 2, 3, 2)),
    **{
        f"Conv3D {padding}, dilations {dilations}": _dilated(dilations, padding)
        for padding in ("SAME", "VALID")
        for dilations in ((2, 2, 2), (2, 1, 3))
    },
    "Conv3D SAME, two groups": Case(
        "Conv3D",
        lambda x, w: tf.nn.conv3d(x, w, (1, 1, 2, 1, 1), "SAME"),
        ((2, 3, 5, 4, 6), (3, 2, 3, 3, 4)),
        lambda x, w: tf.concat(
            [
                tf.nn.conv3d(x[..., 3 * i : 3 * i + 3], w[..., 2 * i : 2 * i + 2], (1, 1, 2, 1, 1), "SAME")
                for i in (0, 1)
            ],
            -1,
        ),
    ),
    "Conv3DBackpropInputV2 SAME, stride 1": _transposed((1, 1, 1), "SAME", (3, 4, 3)),
    "Conv3DBackpropInputV2 SAME, stride 2": _transposed((2, 2, 2), "SAME", (6, 8, 6)),
    "Conv3DBackpropInputV2 SAME, odd sizes": _transposed((2, 2, 2), "SAME", (5, 7, 5)),
    "Conv3DBackpropInputV2 SAME, stride beyond the kernel": _transposed((3, 3, 3), "SAME", (8, 12, 7), (2, 1, 2, 3, 4)),
    "Conv3DBackpropInputV2 VALID, stride 1": _transposed((1, 1, 1), "VALID", (5, 5, 5)),
    "Conv3DBackpropInputV2 VALID, strides (2, 1, 3)": _transposed((2, 1, 3), "VALID", (7, 5, 9)),
    "Conv3DBackpropInputV2 VALID, a rest": _transposed((2, 3, 2), "VALID", (8, 12, 8)),
    **_pools("MaxPool3D"),
    **_pools("AvgPool3D"),
    "SpaceToBatchND, every axis": Case(
        "SpaceToBatchND",
        lambda x: tf.space_to_batch(x, [2, 3, 2], [[1, 0], [0, 2], [1, 1]]),
        (VOLUME,),
    ),
    "SpaceToBatchND, one axis": Case("SpaceToBatchND", lambda x: tf.space_to_batch(x, [5], [[0, 0]]), (VOLUME,)),
    "BatchToSpaceND, every axis": Case(
        "BatchToSpaceND",
        lambda x: tf.batch_to_space(x, [2, 3, 2], [[1, 0], [0, 2], [1, 1]]),
        ((24, 3, 3, 4, 2),),
    ),
    "BatchToSpaceND, two axes": Case(
        "BatchToSpaceND", lambda x: tf.batch_to_space(x, [3, 2], [[0, 1], [1, 0]]), ((12, 3, 3, 4, 2),)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_tensorflows(name):
    check(CASES[name])


def _starts(length, size, stride, padding):
    if padding == "VALID":
        return range(0, length - size + 1, stride)
    count = -(-length // stride)
    before = max((count - 1) * stride + size - length, 0) // 2
    return range(-before, count * stride - before, stride)


def _first_of_largest(volume, size, padding):
    """Max pooling with a stride of 2 that picks the first of each window's largest elements."""
    starts = [_starts(length, size, 2, padding) for length in volume.shape[1:4]]
    picked = []
    for place in itertools.product(*starts):
        inside = tuple(slice(max(one, 0), one + size) for one in place)
        window = tf.reshape(volume[(slice(None), *inside)], [volume.shape[0], -1, volume.shape[4]])
        chosen = tf.one_hot(tf.argmax(window, 1), window.shape[1], axis=1)
        picked.append(tf.reduce_sum(window * chosen, 1))
    return tf.reshape(tf.stack(picked, 1), [volume.shape[0], *map(len, starts), volume.shape[4]])


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("size", [2, 3])
def test_in_a_tie_the_first_gets_the_gradient(padding, size):
    # TensorFlow gives all of the largest the whole gradient, on a processor and for volumes only.
    volume = np.random.default_rng(0).integers(-1, 2, (2, 5, 4, 3, 2)).astype(np.float32)
    pooled = _pool("MaxPool3D", size, 2, padding, volume)
    check(replace(pooled, reference=lambda x: _first_of_largest(x, size, padding)))


def test_padding_of_a_pool_is_less_than_any_element():
    volume = -np.exp(np.random.default_rng(0).uniform(1, 60, VOLUME)).astype(np.float32)
    check(_pool("MaxPool3D", 3, 2, "SAME", volume))


def test_whole_numbers_are_dealt_into_blocks_too():
    numbers = np.arange(2 * 4 * 4 * 4, dtype=np.int32).reshape(2, 4, 4, 4, 1)
    check(Case("SpaceToBatchND", lambda x: tf.space_to_batch(x, [2, 1, 4], [[0, 0]] * 3), (numbers,)))


def test_images_stay_with_the_operation_that_tflite_has():
    @tf.function(autograph=False)
    def dealt(image):
        with lowered_graph(training=False):
            return tf.batch_to_space(tf.space_to_batch(image, [2, 2], [[0, 0], [0, 0]]), [2, 2], [[0, 0], [0, 0]])

    types = {one.type for one in dealt.get_concrete_function(tf.TensorSpec((1, 4, 4, 3))).graph.get_operations()}
    assert {"SpaceToBatchND", "BatchToSpaceND"} <= types


@pytest.mark.parametrize(
    "asked",
    [
        lambda x: tf.nn.conv3d(x, tf.ones((1, 1, 1, 3, 2)), (1, 1, 1, 1, 1), "VALID", data_format="NCDHW"),
        lambda x: tf.nn.max_pool3d(x, 2, 2, "VALID", data_format="NCDHW"),
        lambda x: tf.nn.avg_pool3d(x, 2, 2, "VALID", data_format="NCDHW"),
    ],
)
def test_channels_first_is_refused_rather_than_wrong(asked):
    def lowered(volume):
        with lowered_graph(training=True):
            return asked(volume)

    with pytest.raises(ValueError, match="channels_last"):
        tf.function(lowered, autograph=False).get_concrete_function(tf.TensorSpec((1, 3, 4, 4, 4)))


def test_a_transposed_convolution_to_a_computed_shape_is_refused():
    def lowered(volume, shape):
        with lowered_graph(training=True):
            return tf.nn.conv3d_transpose(volume, tf.ones((1, 1, 1, 2, 3)), shape, 1, "SAME")

    with pytest.raises(ValueError, match="computed shape"):
        tf.function(lowered, autograph=False).get_concrete_function(
            tf.TensorSpec((1, 2, 2, 2, 3)), tf.TensorSpec((5,), tf.int32)
        )
