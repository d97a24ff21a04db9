"""Traced signatures to a `.tflite` flatbuffer of builtins only; names every operation that stands in the way."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from absl import logging as absl_logging
from ai_edge_litert import schema_py_generated as schema

# Neither the converter's inner function nor its own error has a public name.
from tensorflow.lite.python.convert import convert_saved_model
from tensorflow.lite.python.convert_phase import ConverterError

from fieldfare.converters.tracing import Traced
from fieldfare.core.errors import ModelError

_FLEX = "Flex"


class MissingBuiltinsError(ModelError):
    """The graph holds operations that TFLite lacks.

    Attributes:
        op_types: TensorFlow's names of them, sorted.
    """

    def __init__(self, op_types: tuple[str, ...]) -> None:
        super().__init__("no TFLite builtins for the operations", op_types)
        self.op_types = op_types


def convert(traced: Traced) -> bytes:
    """Convert the signatures with TFLite builtins alone.

    Raises:
        MissingBuiltinsError: operations without a builtin, all of them.
        ModelError: the converter fails for another reason.
    """
    names = list(traced.signatures)
    with tempfile.TemporaryDirectory(prefix="fieldfare-export-") as folder, _quiet():
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(traced.module, folder, signatures=traced.signatures, options=options)
        try:
            return _run(folder, names, [tf.lite.OpsSet.TFLITE_BUILTINS])
        except ConverterError as error:
            reason = str(error)
        # The converter names the operations of the first function only; with Flex allowed it shows all of them.
        try:
            lenient = _run(folder, names, [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS], lenient=True)
        except ConverterError as error:
            reason = str(error)
        else:
            raise MissingBuiltinsError(_flex_ops(lenient))
    first = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
    raise ModelError(f"TensorFlow's converter failed: {first}")


def _run(folder: str, names: list[str], ops: list[Any], *, lenient: bool = False) -> bytes:
    # What `tf.lite.TFLiteConverter` calls. Around it, that loads the SavedModel twice to count its operations, and
    # packs the plan anew to drop equal constants, which `freeze_constants` does as well: as much time again.
    return bytes(
        convert_saved_model(
            saved_model_dir=folder,
            saved_model_version=1,
            saved_model_tags={tf.saved_model.SERVING},
            saved_model_exported_names=names,
            target_ops=ops,
            allow_custom_ops=lenient,
            # False with Flex: documented in the converter's error messages, which is the only place.
            lower_tensor_list_ops=not lenient,
            enable_tflite_resource_variables=True,
            enable_composite_direct_lowering=True,
        )
    )


def _flex_ops(model: bytes) -> tuple[str, ...]:
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    custom = (code.customCode.decode() for code in tree.operatorCodes if code.customCode)
    return tuple(sorted({name.removeprefix(_FLEX) for name in custom}))


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop the warnings of saving and loading that say what is meant to be: custom gradients are not saved."""
    before = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(before)
