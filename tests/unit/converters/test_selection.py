"""Which weights train: rules, adapters, digests; and the functional form of models that do not know their inputs."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from fieldfare.converters.models import functional_form, output_names, selected, trainable_rules  # noqa: E402
from fieldfare.core.errors import ConfigError  # noqa: E402
from fieldfare.core.plans import WeightRole  # noqa: E402

layers = keras.layers


def network():
    block = keras.Sequential([keras.Input((6,)), layers.Dense(6, name="inner"), layers.ReLU()], name="block")
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, name="base"),
            layers.BatchNormalization(name="normal"),
            block,
            layers.Dense(2, name="head", use_bias=False),
        ],
        name="network",
    )


def attention():
    tokens = keras.Input((5, 8))
    hidden = layers.MultiHeadAttention(2, 4, name="attend")(tokens, tokens)
    return keras.Model(tokens, layers.Dense(3, name="head")(hidden))


def chosen(model, *rules):
    with selected(model, rules) as selection:
        return [one.name for one in selection.weights]


def test_without_rules_the_models_own_flags_hold():
    model = network()
    model.get_layer("base").trainable = False
    names = chosen(model)
    assert not [name for name in names if "base" in name]
    assert [name.rpartition("/")[2] for name in names[-2:]] == ["moving_mean", "moving_variance"]


def test_roles_tell_trained_weights_from_statistics():
    with selected(network(), ()) as selection:
        roles = {one.name.rpartition("/")[2]: one.role for one in selection.weights}
        assert roles["moving_variance"] is WeightRole.STATISTIC
        assert roles["gamma"] is WeightRole.TRAINED
        assert len(selection.trained) == len(selection.weights) - 2


@pytest.mark.parametrize(
    ("rules", "parts"),
    [
        (["head"], ["head/kernel"]),
        (["h*"], ["head/kernel"]),
        (["block"], ["inner/kernel", "inner/bias"]),
        (["block/inner"], ["inner/kernel", "inner/bias"]),
        (["last:2"], ["inner/kernel", "inner/bias", "head/kernel"]),
        (["head", "base"], ["base/kernel", "base/bias", "head/kernel"]),
        (["normal"], ["normal/gamma", "normal/beta", "normal/moving_mean", "normal/moving_variance"]),
        (["lora:2:inner", "head"], ["head/kernel", "inner/kernel/lora_a", "inner/kernel/lora_b"]),
    ],
)
def test_rules_choose_weights_in_the_models_order(rules, parts):
    names = chosen(network(), *rules)
    assert [
        "/".join(name.split("/")[-len(part.split("/")) :]) for name, part in zip(names, parts, strict=True)
    ] == parts


@pytest.mark.parametrize("name", ["last", "lora"])
def test_a_layer_may_be_called_like_a_rule(name):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2, name=name)])
    assert [one.split("/")[-2] for one in chosen(model, name)] == [name, name]


def test_a_layer_that_computes_something_of_its_own_takes_no_adapter():
    class Doubled(layers.Dense):
        def call(self, inputs, training=None):
            return 2 * super().call(inputs, training=training)

    model = keras.Sequential([keras.Input((4,)), Doubled(3, name="own"), layers.Dense(2, name="plain")])
    assert {one.split("/")[-3] for one in chosen(model, "lora:1")} == {"plain"}
    with pytest.raises(ConfigError, match="Keras's own"):
        chosen(model, "lora:1:own")


def test_outputs_have_names_of_their_own():
    first, second, shared = keras.Input((4,)), keras.Input((4,)), layers.Dense(2, name="shared")
    assert output_names(keras.Model([first, second], [shared(first), shared(second)])) == ["shared", "shared_1"]
    by_key = {"b": layers.Dense(2, name="one")(first), "a": layers.Dense(3, name="two")(first)}
    model = keras.Model(first, by_key)
    assert [(name, one.shape[1]) for name, one in zip(output_names(model), model.outputs, strict=True)] == [
        ("a", 3),
        ("b", 2),
    ]


def test_a_normalisation_that_is_not_chosen_keeps_its_statistics():
    model = network()
    with selected(model, ["head"]):
        assert not model.get_layer("normal").trainable


def test_adapters_go_to_the_queries_and_values_of_attention_or_else_to_all_dense_layers():
    names = chosen(attention(), "lora:2")
    assert {name.split("/")[-3] for name in names} == {"query", "value"}
    assert len(chosen(network(), "lora:2")) == 6


def test_everything_is_as_it_was_afterwards():
    model = network()
    model.get_layer("block").trainable = False
    flags = [one.trainable for one in model.weights]
    with selected(model, ["lora:2:base", "inner"]):
        assert [one.trainable for one in model.weights] != flags
    assert [one.trainable for one in model.weights] == flags
    assert not model.get_layer("block").trainable
    assert model.get_layer("normal").trainable
    assert "call" not in model.get_layer("base").__dict__


@pytest.mark.parametrize("build", [network, attention])
def test_an_adapter_changes_nothing_until_it_trains_and_merges_into_its_kernel(build):
    keras.utils.set_random_seed(3)
    model = build()
    examples = np.random.default_rng(0).standard_normal((7, *model.input_shape[1:]), np.float32)
    before = np.asarray(model(examples))
    kernels = [one.numpy() for one in model.weights]
    with selected(model, ["lora:2"]) as selection:
        np.testing.assert_allclose(np.asarray(model(examples)), before, atol=1e-6)
        draw = np.random.default_rng(1)
        for one in selection.adapters:
            assert min(one.down.shape[-1], one.up.shape[0]) == 2
            one.up.assign(draw.standard_normal(one.up.shape))
        adapted = np.asarray(model(examples))
        assert np.abs(adapted - before).max() > 0.1
        for kernel, one in zip(kernels, model.weights, strict=True):
            np.testing.assert_array_equal(kernel, one.numpy())
        for one in selection.adapters:
            one.merge()
    np.testing.assert_allclose(np.asarray(model(examples)), adapted, atol=1e-5)


def test_adapters_of_one_model_are_alike_and_of_its_layers_differ():
    with selected(network(), ["lora:2"]) as first, selected(network(), ["lora:2"]) as second:
        for one, other in zip(first.adapters, second.adapters, strict=True):
            np.testing.assert_array_equal(one.down.numpy(), other.down.numpy())
        assert np.abs(first.adapters[1].down.numpy()).max() <= 1 / np.sqrt(6)
        assert not np.array_equal(first.adapters[1].down.numpy()[0], first.adapters[2].down.numpy()[0])


def test_the_digest_is_that_of_the_weights_that_do_not_travel():
    model = network()

    def digest(*rules):
        with selected(model, rules) as selection:
            return selection.frozen_sha256

    assert digest() == b""
    assert len(digest("head")) == 32
    assert digest("head") != digest("base")
    before = digest("head")
    model.get_layer("head").kernel.assign_add(np.ones((6, 2)))
    assert digest("head") == before
    model.get_layer("base").kernel.assign_add(np.ones((4, 6)))
    assert digest("head") != before


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["heda"], "no layer with weights is called 'heda'; there are head"),
        (["last:9"], "last:9' needs a number from 1 to"),
        (["last:0"], "needs a number"),
        (["last:x"], "needs a number"),
        (["lora:0"], "needs a number from 1 to 1024"),
        (["lora:7:base"], "rank 7 is above that of the kernel of layer 'base'"),
        (["lora:2:normal"], "no Dense or EinsumDense layer to adapt"),
        (["lora:2:base", "base"], "base: either the weights train or an adapter does"),
    ],
)
def test_rules_that_cannot_be(rules, words):
    with pytest.raises(ConfigError, match=words), selected(network(), rules):
        pass


@pytest.mark.parametrize("given", ["", [], [""], 1.5, [3], True])
def test_rules_that_are_not_understood(given):
    with pytest.raises(ConfigError, match="is not understood"):
        trainable_rules(given)


def test_a_number_means_the_last_layers():
    assert trainable_rules(None) == ()
    assert trainable_rules(2) == ("last:2",)
    assert trainable_rules("head") == ("head",)


class Classifier(keras.Model):
    """A subclassed model with two named inputs."""

    def __init__(self):
        super().__init__(name="classifier")
        self.words, self.head = layers.Dense(4, name="words"), layers.Dense(2, name="head")

    def call(self, inputs):
        return self.head(keras.ops.concatenate([self.words(inputs["text"]), inputs["extra"]], -1))


class Plain(keras.Model):
    """A subclassed model with one input."""

    def __init__(self, first):
        super().__init__(name="plain")
        self.first = first

    def call(self, inputs):
        return self.first(inputs)


class Keyed(Plain):
    """Takes a dict with "ids", or three arrays."""

    def __init__(self):
        super().__init__(layers.Dense(2))

    def call(self, inputs):
        return self.first(inputs["ids"] if isinstance(inputs, dict) else inputs[2])


def test_a_subclassed_model_gets_a_form_that_knows_its_inputs():
    problems = []
    form = functional_form(Classifier(), {"text": (3,), "extra": keras.Input((2,))}, problems)
    assert problems == []
    assert sorted(one.name for one in form.inputs) == ["extra", "text"]
    assert form.name == "classifier"
    assert chosen(form, "last:1")[-1].endswith("head/bias")


def test_a_subclassed_model_that_was_called_knows_its_shape():
    model = Plain(layers.Dense(2))
    model(np.zeros((1, 5), np.float32))
    assert functional_form(model, None, []).input_shape == (None, 5)


def test_what_has_no_functional_form_says_what_to_give():
    for model in (Plain(layers.Dense(2)), Plain(layers.Embedding(9, 2))):
        if isinstance(model.first, layers.Embedding):
            model(np.zeros((1, 5), np.int32))
        problems = []
        assert functional_form(model, None, problems) is None
        assert "inputs=keras.Input" in problems[0]
    problems = []
    assert functional_form(Classifier(), (3,), problems) is None
    assert "cannot be called on symbolic inputs" in problems[0]
    for inputs in ({"words": (3,)}, [(3,), (3,)]):
        problems = []
        assert functional_form(Keyed(), inputs, problems) is None
        assert "cannot be called on symbolic inputs" in problems[0]
    problems = []
    assert functional_form(keras.Sequential([layers.Dense(2)]), None, problems) is None
    assert "not built" in problems[0]


def test_inputs_that_cannot_be():
    with pytest.raises(ConfigError, match="knows its inputs"):
        functional_form(network(), (4,), [])
    with pytest.raises(ConfigError, match=r"must be a keras\.Input"):
        functional_form(Plain(layers.Dense(2)), "float32", [])
