"""The error function, for the exact gelu: TFLite has neither `Erf` nor `Erfc`."""

import math
from typing import Any

import tensorflow as tf

from fieldfare.converters.lowerings._registry import Wanted, replacement

# A rational function of x on [-4, 4], as Eigen and XLA compute float32 erf; beyond, erf is 1 to float32's last bit.
_LIMIT = 4.0
_NUMERATOR = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_DENOMINATOR = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


@replacement("Erf")
def erf(wanted: Wanted) -> Any:
    """`erf(x)` with an error below 5e-7, and the exact slope `2 / sqrt(pi) * exp(-x^2)`."""
    return _rational(wanted.inputs[0])


@replacement("Erfc")
def erfc(wanted: Wanted) -> Any:
    """`1 - erf(x)`."""
    return 1.0 - _rational(wanted.inputs[0])


def _rational(values: Any) -> Any:
    return tf.custom_gradient(_with_slope)(values)


def _with_slope(values: Any) -> Any:
    clipped = tf.maximum(tf.minimum(values, _LIMIT), -_LIMIT)
    squared = clipped * clipped
    result = clipped * _polynomial(_NUMERATOR, squared) / _polynomial(_DENOMINATOR, squared)
    return result, lambda upstream: upstream * (2.0 / math.sqrt(math.pi)) * tf.exp(-values * values)


def _polynomial(coefficients: tuple[float, ...], values: Any) -> Any:
    result = coefficients[0] * values + coefficients[1]
    for one in coefficients[2:]:
        result = result * values + one
    return result
