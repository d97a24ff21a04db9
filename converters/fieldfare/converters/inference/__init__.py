"""Plans and trained weights to inference models: float, int8, and how far the two are apart.

None of it needs Keras; `to_int8` alone needs TensorFlow, and imports it when it is called.
"""

from fieldfare.converters.inference._compare import Comparison, compare_models
from fieldfare.converters.inference._cut import plan_to_inference
from fieldfare.converters.inference._int8 import to_int8
from fieldfare.converters.inference._run import InferenceModel
from fieldfare.converters.inference._weights import weights_to_int8

__all__ = [
    "Comparison",
    "InferenceModel",
    "compare_models",
    "plan_to_inference",
    "to_int8",
    "weights_to_int8",
]
