"""What the clients of both sides send; needs NumPy alone, since Flower's virtual environment imports it too."""

import numpy as np
from numpy.typing import NDArray


def update_of(index: int, size: int) -> NDArray[np.float32]:
    """The update of one client, `(size,)` float32, the same in every round."""
    return np.random.default_rng(index).standard_normal(size, dtype=np.float32)


def mean_update(clients: int, size: int) -> NDArray[np.float64]:
    """The mean over clients 0 to `clients - 1`, `(size,)` float64."""
    total = np.zeros(size, np.float64)
    for index in range(clients):
        total += update_of(index, size)
    return total / clients
