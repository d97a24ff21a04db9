"""Passes over a converted plan that store each frozen weight once, float32 or int8, for all subgraphs and directions.

TensorFlow's converter makes a constant of every variable that no signature assigns. A dense layer's kernel is then in
the plan twice: as `(out, in)` for the forward pass, transposed for the gradient of the layer's input.
"""

from fieldfare.converters.freezing._freeze import FrozenDtype, freeze_constants

__all__ = ["FrozenDtype", "freeze_constants"]
