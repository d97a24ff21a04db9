"""Tensor specs, the flat vector of global weights, and the weights file that travels and rests on disk."""

from fieldfare.core.weights._file import pack_weights, sha256, unpack_weights
from fieldfare.core.weights._formats import FORMATS, check_format, weights_from_bytes, weights_to_bytes
from fieldfare.core.weights._spec import TensorSpec, specs_from_proto, specs_to_proto, total_size
from fieldfare.core.weights._vector import join_tensors, split_vector

__all__ = [
    "FORMATS",
    "TensorSpec",
    "check_format",
    "join_tensors",
    "pack_weights",
    "sha256",
    "specs_from_proto",
    "specs_to_proto",
    "split_vector",
    "total_size",
    "unpack_weights",
    "weights_from_bytes",
    "weights_to_bytes",
]
