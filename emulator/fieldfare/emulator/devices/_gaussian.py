"""Noise that changes smoothly, or not so smoothly, and begins again."""

import numpy as np
from numpy.typing import NDArray


def circular_noise(white: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stationary Gaussian noise on a ring, with variance 1.

    The covariance matrix of a stationary sequence on a ring is circulant, so the Fourier transform makes it diagonal
    (Dietrich and Newsam 1997, "Fast and exact simulation of stationary Gaussian processes through circulant embedding
    of the covariance matrix").

    Args:
        white: `(..., n)` independent standard normal numbers.
        covariance: `(n,)`: of a value with that so many steps on; 1 at the front, symmetric around the ring.
    """
    # Safe: rounding leaves eigenvalues a little below zero.
    gain = np.sqrt(np.maximum(np.fft.rfft(covariance).real, 0.0))
    noise: NDArray[np.float64] = np.fft.irfft(np.fft.rfft(white) * gain, white.shape[-1])
    return noise


def ring(steps: int) -> NDArray[np.float64]:
    """`(steps,)`: how many steps it is from the first place of a ring to each, the short way."""
    lag = np.arange(steps, dtype=np.float64)
    return np.minimum(lag, steps - lag)
