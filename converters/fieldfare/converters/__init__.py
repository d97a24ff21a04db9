"""Keras models to plans that train on a stock LiteRT runtime, and trained weights back to where they are used.

Importing this package does not import TensorFlow: that happens when a name of it is first used.
"""

from typing import TYPE_CHECKING

from fieldfare.core.late_imports import late_imports

if TYPE_CHECKING:
    from fieldfare.converters._export import export_keras
    from fieldfare.converters._parity import ParityReport, check_parity
    from fieldfare.converters._patch import weights_into_plan
    from fieldfare.converters._weights import load_weights_into_keras
    from fieldfare.converters.inference import (
        Comparison,
        compare_models,
        plan_to_inference,
        to_int8,
        weights_to_int8,
    )
    from fieldfare.core.files import load_weights, save_weights

__all__ = [
    "Comparison",
    "ParityReport",
    "check_parity",
    "compare_models",
    "export_keras",
    "load_weights",
    "load_weights_into_keras",
    "plan_to_inference",
    "save_weights",
    "to_int8",
    "weights_into_plan",
    "weights_to_int8",
]

_HOMES = {
    "Comparison": "fieldfare.converters.inference",
    "compare_models": "fieldfare.converters.inference",
    "to_int8": "fieldfare.converters.inference",
    "weights_to_int8": "fieldfare.converters.inference",
    "ParityReport": "fieldfare.converters._parity",
    "check_parity": "fieldfare.converters._parity",
    "export_keras": "fieldfare.converters._export",
    "load_weights": "fieldfare.core.files",
    "load_weights_into_keras": "fieldfare.converters._weights",
    "plan_to_inference": "fieldfare.converters.inference",
    "save_weights": "fieldfare.core.files",
    "weights_into_plan": "fieldfare.converters._patch",
}

__getattr__ = late_imports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
