"""Keras models to plans that train on a stock LiteRT runtime, and trained weights back to where they are used.

Importing this package does not import TensorFlow: that happens when a name of it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldfare.converters._export import export_keras
    from fieldfare.converters._inference import plan_to_inference
    from fieldfare.converters._parity import ParityReport, check_parity
    from fieldfare.converters._patch import weights_into_plan
    from fieldfare.converters._weights import (
        load_npz,
        load_safetensors,
        load_weights_into_keras,
        save_npz,
        save_safetensors,
    )

__all__ = [
    "ParityReport",
    "check_parity",
    "export_keras",
    "load_npz",
    "load_safetensors",
    "load_weights_into_keras",
    "plan_to_inference",
    "save_npz",
    "save_safetensors",
    "weights_into_plan",
]

_HOMES = {
    "ParityReport": "_parity",
    "check_parity": "_parity",
    "export_keras": "_export",
    "load_npz": "_weights",
    "load_safetensors": "_weights",
    "load_weights_into_keras": "_weights",
    "plan_to_inference": "_inference",
    "save_npz": "_weights",
    "save_safetensors": "_weights",
    "weights_into_plan": "_patch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
