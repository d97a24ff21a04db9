"""Plans and trained weights to inference models: float, int8, and how far the two are apart.

None of it needs Keras; `to_int8` alone needs TensorFlow, and imports it when it is called.
"""

from fieldfare.converters._inference._compare import Comparison, compare_models
from fieldfare.converters._inference._cut import plan_to_inference
from fieldfare.converters._inference._examples import read_examples
from fieldfare.converters._inference._int8 import to_int8
from fieldfare.converters._inference._run import InferenceModel
from fieldfare.converters._inference._weights import weights_to_int8

__all__ = [
    "Comparison",
    "InferenceModel",
    "compare_models",
    "plan_to_inference",
    "read_examples",
    "to_int8",
    "weights_to_int8",
]
