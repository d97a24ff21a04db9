"""A plan small enough to check by hand: linear regression y = x w + b with a gradient derived on paper.

It is made with TensorFlow alone, without `fieldfare.converters`, so that tests of the runtime and of the device do not
lean on the exporter:

    L = sum_i a_i (x_i w + b - y_i)^2 / sum_i a_i      (a_i: the example's weight, 1 or 0)
    r_i = 2 a_i (x_i w + b - y_i) / sum_i a_i          (dL / d prediction_i)
    dL/dw = X^T r,   dL/db = sum_i r_i
"""

import functools
import tempfile
from typing import Any

from fieldfare.core.plans import Manifest, PlanMetric, PlanTensor, WeightRole, attach_manifest, runtime_version
from fieldfare.core.weights import TensorSpec


def tiny_manifest(batch_size: int = 4, features: int = 1, *, gradients: bool = True) -> Manifest:
    """Input "x" float32 (features,), target "y" float32 (1,), weights "dense/kernel" and "dense/bias"."""
    return Manifest(
        name="tiny",
        batch_size=batch_size,
        inputs=(PlanTensor(TensorSpec("x", "float32", (features,)), "input_0"),),
        targets=(PlanTensor(TensorSpec("y", "float32", (1,)), "target_0"),),
        outputs=(PlanTensor(TensorSpec("dense", "float32", (1,)), "output_0"),),
        weights=(
            PlanTensor(TensorSpec("dense/kernel", "float32", (features, 1)), "weight_0", WeightRole.TRAINED),
            PlanTensor(TensorSpec("dense/bias", "float32", (1,)), "weight_1", WeightRole.TRAINED),
        ),
        loss="mean_squared_error",
        metrics=(PlanMetric("mean_absolute_error", "metric_0"),),
        optimizer="sgd",
        learning_rate=0.1,
        has_gradients=gradients,
        tried_on=(runtime_version(),),
        made_with=("tests",),
        state=(PlanTensor(TensorSpec("steps", "int32", ()), "state_0"),),
    )


@functools.cache
def tiny_plan(
    batch_size: int = 4, features: int = 1, gradients: bool = True, settable: bool = True, single: bool = False
) -> bytes:
    """The bytes of the plan; all weights start at zero. Takes some seconds the first time in a process.

    Without `gradients` it has no such signature, and without `settable` no `set_state`, as plans once had none. With
    `single` it has `infer_one`, which gives 1000 more than `infer`, so that a test can tell.
    """
    import tensorflow as tf

    module = _module(tf, batch_size, features)
    absent = {"gradients": not gradients, "set_state": not settable}
    signatures = {
        name: getattr(module, name)
        for name in ("train", "evaluate", "infer", "get_weights", "set_weights", "get_state", "set_state", "gradients")
        if not absent.get(name, False)
    }
    if single:
        signatures["infer_one"] = module.infer_one
    with tempfile.TemporaryDirectory() as folder:
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, folder, signatures=signatures, options=options)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        converter.experimental_enable_resource_variables = True
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        model = converter.convert()
    return attach_manifest(model, tiny_manifest(batch_size, features, gradients=gradients))


def _module(tf: Any, batch: int, features: int) -> Any:
    module = tf.Module()
    module.kernel = kernel = tf.Variable(tf.zeros((features, 1)), name="kernel")
    module.bias = bias = tf.Variable(tf.zeros((1,)), name="bias")
    module.steps = steps = tf.Variable(0, name="steps")

    def spec(key: str, *shape: int) -> Any:
        return tf.TensorSpec(shape, tf.float32, name=key)

    x, y, weight = spec("input_0", batch, features), spec("target_0", batch, 1), spec("example_weight", batch)

    def predict(inputs: Any) -> Any:
        return tf.matmul(inputs, kernel.read_value()) + bias.read_value()

    def loss_and_slopes(inputs: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
        error = predict(inputs) - targets
        total = tf.reduce_sum(weights)
        column = tf.reshape(weights, (batch, 1))
        loss = tf.reduce_sum(column * error * error) / total
        slope = 2.0 * column * error / total
        return loss, tf.matmul(inputs, slope, transpose_a=True), tf.reduce_sum(slope, axis=0)

    @tf.function(input_signature=[x, y, weight, spec("learning_rate")], autograph=False)
    def train(input_0: Any, target_0: Any, example_weight: Any, learning_rate: Any) -> dict[str, Any]:
        loss, d_kernel, d_bias = loss_and_slopes(input_0, target_0, example_weight)
        with tf.control_dependencies([loss]):
            kernel.assign(kernel.read_value() - learning_rate * d_kernel)
            bias.assign(bias.read_value() - learning_rate * d_bias)
            steps.assign(steps.read_value() + 1)
        return {"loss": loss}

    @tf.function(input_signature=[x, y, weight], autograph=False)
    def gradients(input_0: Any, target_0: Any, example_weight: Any) -> dict[str, Any]:
        loss, d_kernel, d_bias = loss_and_slopes(input_0, target_0, example_weight)
        return {"weight_0": d_kernel, "weight_1": d_bias, "loss": loss}

    @tf.function(input_signature=[x, y, weight], autograph=False)
    def evaluate(input_0: Any, target_0: Any, example_weight: Any) -> dict[str, Any]:
        error = tf.reshape(predict(input_0) - target_0, (batch,))
        return {
            "loss_sum": tf.reduce_sum(example_weight * error * error),
            "weight_sum": tf.reduce_sum(example_weight),
            "metric_0": tf.reduce_sum(example_weight * tf.abs(error)),
        }

    @tf.function(input_signature=[x], autograph=False)
    def infer(input_0: Any) -> dict[str, Any]:
        return {"output_0": predict(input_0)}

    module.train, module.gradients, module.evaluate = train, gradients, evaluate

    @tf.function(input_signature=[spec("input_0", 1, features)], autograph=False)
    def infer_one(input_0: Any) -> dict[str, Any]:
        return {"output_0": predict(input_0) + 1000.0}

    module.infer, module.infer_one = infer, infer_one
    _add_access(tf, module, spec("weight_0", features, 1), spec("weight_1", 1))
    return module


def _add_access(tf: Any, module: Any, kernel_spec: Any, bias_spec: Any) -> None:
    """The signatures that read and write variables."""
    kernel, bias, steps = module.kernel, module.bias, module.steps

    @tf.function(input_signature=[], autograph=False)
    def get_weights() -> dict[str, Any]:
        return {"weight_0": tf.identity(kernel.read_value()), "weight_1": tf.identity(bias.read_value())}

    @tf.function(input_signature=[kernel_spec, bias_spec], autograph=False)
    def set_weights(weight_0: Any, weight_1: Any) -> dict[str, Any]:
        kernel.assign(weight_0)
        bias.assign(weight_1)
        steps.assign(0)
        return {"count": tf.constant(2)}

    @tf.function(input_signature=[], autograph=False)
    def get_state() -> dict[str, Any]:
        return {"state_0": tf.identity(steps.read_value())}

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32, name="state_0")], autograph=False)
    def set_state(state_0: Any) -> dict[str, Any]:
        steps.assign(state_0)
        return {"count": tf.constant(1)}

    module.get_weights, module.set_weights = get_weights, set_weights
    module.get_state, module.set_state = get_state, set_state
