"""Division of whole numbers, for the number of steps of an accumulating optimiser: TFLite has it for int32 only."""

from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, replacement


@replacement("FloorDiv")
def floor_div(wanted: Wanted) -> Any:
    """The quotient of int64, computed as int32: exact below 2^31; None for other types."""
    above, below = wanted.inputs
    if above.dtype != tf.int64:
        return None
    return tf.cast(tf.math.floordiv(tf.cast(above, tf.int32), tf.cast(below, tf.int32)), tf.int64)
