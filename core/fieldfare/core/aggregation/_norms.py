"""The Euclidean norm of an update: a bound beyond which it is refused, and one to which it is scaled down."""

import math

import numpy as np
from numpy.typing import NDArray

from fieldfare.core.errors import UpdateError

_CHUNK = 1 << 15


def euclidean_norm(vector: NDArray[np.float32]) -> float:
    """`sqrt(sum_i x_i^2)` of a `(n,)` float32 vector, in float64."""
    total = 0.0
    for start in range(0, vector.size, _CHUNK):
        part = vector[start : start + _CHUNK].astype(np.float64)
        total += float(np.square(part, out=part).sum())
    return math.sqrt(total)


def check_norm(vector: NDArray[np.float32], max_norm: float, *, parts: int = 1) -> None:
    """Refuse an update whose Euclidean norm is beyond `max_norm`; 0 is no bound.

    Args:
        vector: `(parts * n,)` float32.
        max_norm: the bound.
        parts: vectors in it, to each of which the bound applies.

    Raises:
        UpdateError: a norm is beyond it, for the reason "norm".
    """
    norm = max(map(euclidean_norm, np.split(vector, parts))) if max_norm else 0.0
    if norm > max_norm:
        raise UpdateError("norm", f"the update has the Euclidean norm {norm:g}, beyond {max_norm:g}")


def clipped(vector: NDArray[np.float32], clip_norm: float) -> NDArray[np.float32]:
    """Norm bounding (Sun et al. 2019, section 5): `d * min(1, C / |d|)` for the bound C; 0 is no bound.

    Args:
        vector: `(n,)` float32, finite.
        clip_norm: C.

    Returns:
        The vector itself where it is short enough; else a new one, each value rounded once from float64.
    """
    norm = euclidean_norm(vector) if clip_norm else 0.0
    if norm <= clip_norm:
        return vector
    factor = clip_norm / norm
    short = np.empty_like(vector)
    for start in range(0, vector.size, _CHUNK):
        short[start : start + _CHUNK] = vector[start : start + _CHUNK].astype(np.float64) * factor
    return short
