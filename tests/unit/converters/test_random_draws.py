"""Random numbers of a plan: their distribution, and what makes them differ or repeat."""

import keras
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from fieldfare.converters.lowerings import lowered_graph  # noqa: E402
from fieldfare.converters.lowerings.random import random_layers, seeds_at_rest, step_phase  # noqa: E402

DRAWS = {
    "StatelessRandomUniformV2": lambda shape: tf.random.stateless_uniform(shape, (1, 2)),
    "StatelessRandomNormalV2": lambda shape: tf.random.stateless_normal(shape, (1, 2)),
}
PHASES = np.array([0.0, 1.0, -40.3, 111.1, -437.5, 437.5], np.float32)
MANY = (200, 500)


def drawer(op, shape, times=1):
    """A function of the phase that draws `times`, and its graph."""

    def drawn(phase):
        with lowered_graph(training=True, phase=phase):
            return [DRAWS[op](shape) for _ in range(times)]

    concrete = tf.function(drawn, autograph=False).get_concrete_function(tf.TensorSpec(()))
    return lambda phase: [one.numpy() for one in concrete(tf.constant(phase))], concrete.graph


@pytest.fixture(scope="module")
def many():
    """Each operation's numbers at each phase, `(phases, numbers)`."""
    functions = {op: drawer(op, MANY)[0] for op in DRAWS}
    return {op: np.stack([draw(phase)[0].ravel() for phase in PHASES]) for op, draw in functions.items()}


def largest_gap(values, below):
    """Kolmogorov and Smirnov's distance between a sample and a distribution function."""
    ranks = np.arange(values.size + 1) / values.size
    expected = below(np.sort(values))
    return max(np.abs(expected - ranks[1:]).max(), np.abs(expected - ranks[:-1]).max())


def normal_below(values):
    """The standard normal distribution function."""
    return (1 + tf.math.erf(values.astype(np.float64) / np.sqrt(2)).numpy()) / 2


def test_uniform_numbers_are_uniform_at_every_phase(many):
    for values in many["StatelessRandomUniformV2"]:
        assert 0 <= values.min() < values.max() < 1
        # 1.95 / sqrt(n) is exceeded once in a thousand times; the numbers are the same in each run.
        assert largest_gap(values, lambda one: one) < 1.95 / np.sqrt(values.size)


def test_normal_numbers_are_normal_at_every_phase(many):
    for values in many["StatelessRandomNormalV2"]:
        assert np.isfinite(values).all()
        assert largest_gap(values, normal_below) < 1.95 / np.sqrt(values.size)
        assert abs(values.mean()) < 4 / np.sqrt(values.size)
        assert abs(values.std() - 1) < 4 / np.sqrt(2 * values.size)


@pytest.mark.parametrize("op", DRAWS)
def test_two_phases_give_independent_numbers(op, many):
    correlations = np.corrcoef(many[op])
    # A hundred thousand numbers: 0.003 is one standard deviation.
    assert np.abs(correlations - np.eye(len(PHASES))).max() < 0.02


@pytest.mark.parametrize("op", DRAWS)
def test_the_same_phase_gives_the_same_numbers_in_another_graph_too(op):
    first, second = (drawer(op, (4, 5))[0] for _ in range(2))
    np.testing.assert_array_equal(first(2.5)[0], second(2.5)[0])
    assert not np.array_equal(first(2.5)[0], first(2.6)[0])


@pytest.mark.parametrize("op", DRAWS)
def test_two_draws_of_a_graph_have_numbers_of_their_own(op):
    first, second = drawer(op, MANY, times=2)[0](7.25)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("op", DRAWS)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 1, 3), (0, 4)])
def test_shapes_are_those_asked_for(op, shape):
    draw, graph = drawer(op, shape)
    assert draw(1.0)[0].shape == shape
    assert op not in {one.type for one in graph.get_operations()}


@pytest.mark.parametrize("op", DRAWS)
def test_a_shape_made_of_a_static_shape_is_known(op):
    @tf.function(autograph=False)
    def drawn(values):
        with lowered_graph(training=True, phase=tf.constant(1.0)):
            return DRAWS[op]([tf.shape(values)[0], 1, tf.shape(values)[2]])

    concrete = drawn.get_concrete_function(tf.TensorSpec((3, 4, 5)))
    assert concrete(tf.zeros((3, 4, 5))).shape == (3, 1, 5)
    assert op not in {one.type for one in concrete.graph.get_operations()}


@pytest.mark.parametrize("op", DRAWS)
@pytest.mark.parametrize("context", [{"training": False}, {"training": True}, {"training": False, "phase": 1.0}])
def test_without_a_step_the_operation_stays(op, context):
    @tf.function(autograph=False)
    def drawn():
        with lowered_graph(**context):
            return DRAWS[op]((3,))

    assert op in {one.type for one in drawn.get_concrete_function().graph.get_operations()}


@pytest.mark.parametrize("op", DRAWS)
def test_a_computed_shape_is_left_for_the_converter_to_name(op):
    @tf.function(autograph=False)
    def drawn(shape):
        with lowered_graph(training=True, phase=tf.constant(1.0)):
            return DRAWS[op](shape)

    graph = drawn.get_concrete_function(tf.TensorSpec((2,), tf.int32)).graph
    assert op in {one.type for one in graph.get_operations()}


@pytest.mark.parametrize("op", DRAWS)
def test_no_gradient_flows_into_the_phase(op):
    found = []

    @tf.function(autograph=False)
    def drawn(phase):
        with lowered_graph(training=True, phase=phase):
            numbers = DRAWS[op]((3,))
            found.extend(tf.gradients(tf.reduce_sum(numbers), phase))
            return numbers

    drawn.get_concrete_function(tf.TensorSpec(()))
    assert found == [None]


@pytest.fixture(scope="module")
def phase_of():
    """The phase of an iteration and a batch of images and class numbers."""

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec((), tf.int64), tf.TensorSpec((4, 3)), tf.TensorSpec((4,), tf.int32)],
    )
    def phase(iteration, images, classes):
        return step_phase(iteration, [images, classes])

    return lambda *values: float(phase(*values))


def test_the_phase_repeats_and_stays_in_its_range(phase_of):
    images, classes = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32), np.arange(4, dtype=np.int32)
    phases = [phase_of(iteration, images, classes) for iteration in (*range(200), 10**6)]
    assert phases == [phase_of(iteration, images, classes) for iteration in (*range(200), 10**6)]
    assert len({round(one, 3) for one in phases}) == len(phases)
    assert max(map(abs, phases)) <= 438
    # Far from step to step, so that no element stays where it is for long.
    assert np.median(np.abs(np.diff(phases))) > 100


def test_the_phase_differs_with_the_batch_and_with_the_order_of_its_examples(phase_of):
    images, classes = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32), np.arange(4, dtype=np.int32)
    one_pixel = images.copy()
    one_pixel[2, 1] += 0.25
    batches = [
        (images, classes),
        (one_pixel, classes),
        (images, classes[::-1]),
        (images[::-1], classes),
        (-images, classes),
    ]
    assert len({round(phase_of(5, *batch), 3) for batch in batches}) == len(batches)


def test_an_empty_image_has_a_phase_too(phase_of):
    nothing = np.zeros((4, 3), np.float32), np.zeros(4, np.int32)
    assert phase_of(0, *nothing) != phase_of(1, *nothing)


def test_layers_that_draw_are_named():
    inputs = keras.Input((4, 3))
    hidden = keras.layers.Dropout(0.0, name="never")(keras.layers.GRU(2, recurrent_dropout=0.5, name="cell")(inputs))
    outputs = keras.layers.GaussianNoise(0.1, name="noise")(keras.layers.Dropout(0.2, name="drop")(hidden))
    assert random_layers(keras.Model(inputs, outputs))[:1] == ["cell"]
    assert {"noise", "drop"} <= set(random_layers(keras.Model(inputs, outputs)))
    assert "never" not in random_layers(keras.Model(inputs, outputs))


class Own(keras.layers.Layer):
    """A user's layer: its attributes are called like settings of Keras; it draws if it has a generator."""

    def __init__(self, draws, **settings):
        super().__init__(**settings)
        self.dropout = keras.layers.Dropout(0.0)
        if draws:
            self.generator = keras.random.SeedGenerator(1)

    def build(self, shape):
        self.rate = self.add_weight(shape=shape[-1:], initializer="ones")

    def call(self, inputs):
        return self.dropout(inputs * self.rate)


def test_layers_of_the_users_own_draw_where_they_have_a_generator():
    names = random_layers(
        keras.Sequential([keras.Input((3,)), Own(draws=False, name="still"), Own(draws=True, name="sampled")])
    )
    assert names == ["sampled"]


def test_seed_generators_rest_inside_and_count_afterwards():
    generator = keras.random.SeedGenerator(3)
    before = keras.ops.convert_to_numpy(generator.state).copy()
    with seeds_at_rest():
        generator.next()
        np.testing.assert_array_equal(generator.state, before)
    generator.next()
    assert not np.array_equal(generator.state, before)
