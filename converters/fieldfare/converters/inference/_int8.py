"""A float inference model to one that computes in int8, with the ranges that it shows on calibration examples.

TensorFlow's own quantiser does it, the one that its converter runs when it is given a representative data set; its
converter takes no finished `.tflite`, so the two steps are called here one after the other.
"""

import numpy as np

from fieldfare.converters.inference._run import InferenceModel
from fieldfare.converters.inference._weights import unpack_weights
from fieldfare.core.errors import ModelError, PlanError
from fieldfare.core.plans import Examples, check_examples, take_rows

_HELP = "quantise the weights alone instead (--int8-weights)"


def to_int8(model: bytes, calibration: Examples, *, integer_io: bool = False) -> bytes:
    """The model with int8 weights and activations; operators that know no int8 stay float.

    Weights have a scale for each output channel, activations one for each tensor, from the least and the largest value
    seen.

    Args:
        model: from `plan_to_inference`.
        calibration: the model's inputs, a few hundred examples like those that it will see.
        integer_io: also take and give int8 where the float model takes and gives float32; scale and zero point are
            in the file.

    Raises:
        DataError: examples that are not the model's inputs, or none.
        ModelError: TensorFlow cannot quantise the model, or the result does not run.
        PlanError: no inference model.
    """
    import tensorflow as tf

    # None of the three has a public name.
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.convert_phase import ConverterError
    from tensorflow.lite.python.optimize import calibrator

    runner = InferenceModel(model)
    check_examples(runner.input_specs, calibration)
    model = unpack_weights(model)
    kind = tf.int8 if integer_io else tf.float32
    try:
        measured = calibrator.Calibrator(calibrator.add_intermediate_tensors(model)).calibrate(
            lambda: (list(batch.values()) for batch in runner.batches(calibration))
        )
        quantised = bytes(mlir_quantize(measured, input_data_type=kind, output_data_type=kind))
    except (ConverterError, RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ModelError(f"TensorFlow cannot quantise the model: {first}; {_HELP}") from error
    _try_out(quantised, calibration)
    return quantised


def _try_out(model: bytes, calibration: Examples) -> None:
    """Run the first example with delegates and without."""
    for delegates in (False, True):
        try:
            outputs = InferenceModel(model, delegates=delegates).predict(take_rows(calibration, slice(1)))
        except PlanError as error:
            raise ModelError(f"the quantised model does not run: {error}; {_HELP}") from error
        if not all(np.isfinite(one).all() for one in outputs.values()):
            raise ModelError(f"the quantised model gives numbers that are not finite; {_HELP}")
