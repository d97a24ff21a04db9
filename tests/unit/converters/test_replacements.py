"""Operations that TFLite lacks, and their gradients, against TensorFlow's own."""

import itertools
import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from fieldfare.converters.lowerings import lowered_graph, lowered_ops, replaced_ops  # noqa: E402
from tests.unit.converters import test_lowerings, test_random_draws, test_replaced_volumes  # noqa: E402
from tests.unit.converters.lowered import Case, check, graph_of  # noqa: E402

IMAGE = (2, 5, 7, 3)
TABLE = np.array([[2.0, 0.0, 3.0, -1.5], [0.0, 4.0, 0.0, 1.0], [-0.5, -2.0, 5.0, 0.25]], np.float32)
"""A row without zeros, one with one and one with two along either axis."""
RESIZING = {"ResizeBilinear": tf.raw_ops.ResizeBilinear, "ResizeBicubic": tf.raw_ops.ResizeBicubic}
RESIZING["ResizeNearestNeighbor"] = tf.raw_ops.ResizeNearestNeighbor
SIZES = {"larger": (11, 13), "smaller": (3, 4), "one of each": (9, 2), "a pixel": (1, 1)}
KERNELS = ("lanczos3", "gaussian", "mitchellcubic")
MULTIPLES = ((1, 1, 1), (2, 1, 3), (1, 4, 1), (3, 2, 2))
EQUATIONS = {
    "ab,bc->ac": ((3, 4), (4, 5)),
    "abc,cde->abde": ((2, 3, 4), (4, 5, 2)),
    "abcd,cde->abe": ((2, 3, 4, 5), (4, 5, 6)),
    "ab,ab->": ((3, 4), (3, 4)),
    "ab,c->abc": ((3, 4), (2,)),
    "abc,cb->a": ((2, 3, 4), (4, 3)),
    "abc,cd->adb": ((2, 3, 4), (4, 5)),
    "aecd,abcd->acbe": ((2, 3, 2, 4), (2, 5, 2, 4)),
    "...b,bc->...c": ((2, 3, 4), (4, 5)),
}


def _resize(op, corners, centers, size):
    settings = {"align_corners": corners, "half_pixel_centers": centers}
    return Case(op, lambda x: RESIZING[op](images=x, size=size, **settings), (IMAGE,))


def _running_products(values, axis, exclusive, reverse):
    """`tf.math.cumprod` of few elements, with a gradient that is right at zero: TensorFlow's own divides by it."""
    parts = tf.unstack(values, axis=axis)
    places = range(len(parts))
    chosen = [[p for p in places if (p > i if reverse else p < i) or (p == i and not exclusive)] for i in places]
    return tf.stack([tf.reduce_prod([tf.ones_like(parts[0]), *(parts[p] for p in one)], 0) for one in chosen], axis)


def _cumprod(axis, exclusive, reverse):
    return Case(
        "Cumprod",
        lambda x: tf.math.cumprod(x, axis, exclusive=exclusive, reverse=reverse),
        (TABLE,),
        lambda x: _running_products(x, axis, exclusive, reverse),
    )


CASES = {
    **{
        f"{op}, align_corners {corners}, half_pixel_centers {centers}, {name}": _resize(op, corners, centers, size)
        for op in RESIZING
        for corners, centers in ((False, False), (True, False), (False, True))
        for name, size in SIZES.items()
    },
    **{
        f"ScaleAndTranslate, {kernel}, antialias {antialias}, {name}": Case(
            "ScaleAndTranslate",
            lambda x, size=size, kernel=kernel, antialias=antialias: tf.image.resize(x, size, kernel, False, antialias),
            (IMAGE,),
        )
        for kernel in KERNELS
        for antialias in (False, True)
        for name, size in SIZES.items()
    },
    "ScaleAndTranslate, moved": Case(
        "ScaleAndTranslate",
        lambda x: tf.raw_ops.ScaleAndTranslate(
            images=x, size=[6, 9], scale=[1.3, 0.7], translation=[0.5, -1.25], kernel_type="triangle"
        ),
        (IMAGE,),
    ),
    **{f"Tile, {one}": Case("Tile", lambda x, one=one: tf.tile(x, one), ((2, 3, 4),)) for one in MULTIPLES},
    "Tile of eight axes": Case("Tile", lambda x: tf.tile(x, [2, 1, 2, 1, 2, 1, 2, 1]), ((1, 2, 1, 2, 1, 2, 1, 2),)),
    **{
        f"Prod over {axes}, keepdims {kept}": Case(
            "Prod", lambda x, axes=axes, kept=kept: tf.reduce_prod(x, axes, keepdims=kept), (TABLE,)
        )
        for axes in (0, 1, -1, (0, 1), (-1, 0), None)
        for kept in (False, True)
    },
    "Prod over the outer axes": Case("Prod", lambda x: tf.reduce_prod(x, [2, 0]), ((2, 3, 4),)),
    "Prod of one": Case("Prod", lambda x: tf.reduce_prod(x, 1), ((3, 1, 2),)),
    "Prod over nothing": Case("Prod", lambda x: tf.reduce_prod(x, []), ((3, 2),)),
    **{
        f"Cumprod along {axis}, exclusive {exclusive}, reverse {reverse}": _cumprod(axis, exclusive, reverse)
        for axis, exclusive, reverse in itertools.product((0, 1, -1), (False, True), (False, True))
    },
    "Cumprod of one": Case("Cumprod", lambda x: tf.math.cumprod(x, 1), ((3, 1, 2),)),
    "Erf": Case("Erf", lambda x: tf.math.erf(2.0 * x), ((20, 50),)),
    "Erfc": Case("Erfc", tf.math.erfc, ((20, 50),)),
    **{
        f"Einsum {one}": Case("Einsum", lambda x, y, one=one: tf.einsum(one, x, y), shapes)
        for one, shapes in EQUATIONS.items()
    },
    **{
        f"BatchMatMulV2, adjoints {left} {right}": Case(
            "BatchMatMulV2",
            lambda x, y, left=left, right=right: tf.matmul(x, y, adjoint_a=left, adjoint_b=right),
            ((2, 3, 5, 4) if left else (2, 3, 4, 5), (2, 3, 6, 5) if right else (2, 3, 5, 6)),
        )
        for left, right in itertools.product((False, True), repeat=2)
    },
    "BatchMatMulV2, one matrix for all": Case("BatchMatMulV2", tf.matmul, ((2, 3, 4, 5), (5, 6))),
    "BatchMatMulV2, axes spread": Case("BatchMatMulV2", tf.matmul, ((2, 1, 4, 5), (1, 3, 5, 6))),
    "MatMul of a chain": Case("MatMul", lambda a, b: tf.matmul(a, tf.matmul(b, a)), ((3, 4), (4, 3))),
    "DenseBincount": Case(
        "DenseBincount",
        lambda x: tf.math.bincount(x, minlength=5, maxlength=5, axis=-1, dtype=tf.float32),
        (np.array([[0, 1, 1, 4], [2, 2, 2, 2]]),),
    ),
    "DenseBincount, whether there": Case(
        "DenseBincount",
        lambda x: tf.math.bincount(x, minlength=6, maxlength=6, axis=-1, dtype=tf.float32, binary_output=True),
        (np.array([[0, 1, 1, 4], [2, 2, 2, 2]]),),
    ),
    "DenseBincount of one list": Case(
        "DenseBincount",
        lambda x: tf.math.bincount(x, minlength=4, maxlength=4),
        (np.array([3, 0, 3, 1], np.int32),),
    ),
    "DenseBincount, numbers beyond the last": Case(
        "DenseBincount",
        lambda x: tf.math.bincount(x, minlength=4, maxlength=4, axis=-1, dtype=tf.float32),
        (np.array([[3, 4, 900, 3], [0, 5, 0, 1]], np.int32),),
    ),
    **{
        f"InTopKV2, k {k}": Case(
            "InTopKV2",
            lambda x, y, k=k: tf.math.in_top_k(y, x, k),
            (
                np.array([[1, 1, 0, 0], [3, 2, 2, 1], [5, 5, 5, 5], [-1, -2, -3, -4]] * 4, np.float32),
                np.repeat(np.arange(4, dtype=np.int32), 4),
            ),
        )
        for k in (1, 2, 3, 4, 9)
    },
    "InTopKV2, not finite or no class": Case(
        "InTopKV2",
        lambda x, y: tf.math.in_top_k(y, x, 2),
        (
            np.array(
                [[1, np.nan, 0], [np.inf, 1, 0], [1, 0, -np.inf], [1, 2, 3], [-1, -2, -3], [-1, -2, -3]], np.float32
            ),
            np.array([0, 0, 0, -1, 3, 1], np.int64),
        ),
    ),
    "FloorDiv": Case(
        "FloorDiv",
        tf.math.floordiv,
        (np.array([7, -7, 7, -7, 0, 2**31 - 1, 6]), np.array([2, 2, -2, -2, 5, 1, 3])),
    ),
    "ResizeBicubic of whole numbers": Case(
        "ResizeBicubic",
        lambda x: tf.image.resize(x, (6, 3), "bicubic"),
        (np.arange(2 * 4 * 5 * 1, dtype=np.int32).reshape(2, 4, 5, 1),),
    ),
    "ScaleAndTranslate of whole numbers": Case(
        "ScaleAndTranslate",
        lambda x: tf.image.resize(x, (6, 3), "lanczos3"),
        (np.arange(2 * 4 * 5 * 1, dtype=np.int32).reshape(2, 4, 5, 1),),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_tensorflows(name):
    check(CASES[name])


def test_the_error_functions_are_within_the_documented_error_in_the_tails_too():
    values = np.concatenate([np.linspace(-12, 12, 20001), [-np.inf, -1e30, -0.0, 1e-30, 1e30, np.inf]]).astype("f4")

    def both(x):
        with lowered_graph(training=True):
            erf, erfc = tf.math.erf(x), tf.math.erfc(x)
            return erf, erfc, tf.gradients(erf, x)[0], tf.gradients(erfc, x)[0]

    erf, erfc, slope, slope_of_rest = graph_of(both, [values])(tf.constant(values))
    exact = np.array([math.erf(one) for one in values])
    np.testing.assert_allclose(erf, exact, rtol=0, atol=5e-7)
    np.testing.assert_allclose(erfc, 1 - exact, rtol=0, atol=5e-7)
    assert np.abs(erf).max() <= 1 + 5e-7
    steep = 2 / np.sqrt(np.pi) * np.exp(-np.square(values, dtype=np.float64))
    np.testing.assert_allclose(slope, steep, rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(slope_of_rest, -steep, rtol=2e-5, atol=1e-30)


def test_small_arguments_of_the_error_function_keep_their_digits():
    values = np.array([1e-20, -1e-6, 1e-3, -0.01], np.float32)

    def lowered(x):
        with lowered_graph(training=True):
            return tf.math.erf(x)

    np.testing.assert_allclose(graph_of(lowered, [values])(tf.constant(values)), tf.math.erf(values), rtol=1e-6)


def test_a_sum_of_gradients_has_no_sum_of_many():
    def used_often(x):
        return tf.stack([tf.sin(x), x * x, tf.exp(x), x, tf.tanh(x)])

    def plain(x):
        return tf.gradients(used_often(x), x)[0]

    def lowered(x):
        with lowered_graph(training=True):
            return plain(x)

    values = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    asked, left = graph_of(plain, [values]), graph_of(lowered, [values])
    assert "AddN" in {one.type for one in asked.graph.get_operations()}
    assert "AddN" not in {one.type for one in left.graph.get_operations()}
    np.testing.assert_allclose(left(tf.constant(values)), asked(tf.constant(values)), rtol=1e-5, atol=1e-5)


def test_a_product_along_computed_axes_is_refused():
    def lowered(x, axes):
        with lowered_graph(training=True):
            return tf.gradients(tf.raw_ops.Prod(input=x, axis=axes), x)

    with pytest.raises(ValueError, match="computed axes"):
        tf.function(lowered, autograph=False).get_concrete_function(
            tf.TensorSpec((2, 3)), tf.TensorSpec((1,), tf.int32)
        )


@pytest.mark.parametrize(
    ("op", "asked", "specs"),
    [
        ("Cumprod", tf.math.cumprod, [((2, 3), "float32"), ((), "int32")]),
        (
            "ResizeBicubic",
            lambda x, size: tf.raw_ops.ResizeBicubic(images=x, size=size),
            [((1, 4, 4, 1), "float32"), ((2,), "int32")],
        ),
        (
            "ScaleAndTranslate",
            lambda x, scale: tf.raw_ops.ScaleAndTranslate(images=x, size=[3, 3], scale=scale, translation=[0.0, 0.0]),
            [((1, 4, 4, 1), "float32"), ((2,), "float32")],
        ),
        ("DenseBincount", lambda x, size: tf.raw_ops.DenseBincount(input=x, size=size, weights=tf.zeros([0])), None),
        ("FloorDiv", tf.math.floordiv, [((3,), "int32"), ((3,), "int32")]),
    ],
)
def test_what_has_no_replacement_is_left_for_the_converter_to_name(op, asked, specs):
    def lowered(*values):
        with lowered_graph(training=True):
            return asked(*values)

    specs = [tf.TensorSpec(*one) for one in specs or [((2, 3), "int32"), ((), "int32")]]
    graph = tf.function(lowered, autograph=False).get_concrete_function(*specs).graph
    assert op in {one.type for one in graph.get_operations()}


def _asked(function, shapes):
    graph = graph_of(function, [np.zeros(one, np.float32) for one in shapes]).graph
    return {one.type for one in graph.get_operations()}


def test_every_lowering_and_replacement_has_a_case():
    cases = [*CASES.values(), *test_replaced_volumes.CASES.values()]
    covered = {one.op for one in cases} | set(test_random_draws.DRAWS) | {"AddN"}
    for function, *shapes in test_lowerings.PLAIN.values():
        covered |= _asked(function, shapes)
    for function, *shapes in test_lowerings.WINDOWED.values():
        covered |= _asked(function("SAME"), shapes)
    assert {*lowered_ops(), *replaced_ops()} <= covered
