"""scikit-learn's 1,797 handwritten digits of 8x8 pixels, which come with the library."""

from pathlib import Path

import numpy as np

_LARGEST_PIXEL = 16.0


def prepare(folder: Path) -> None:
    """Write `data.npz` ("image" `(n, 8, 8, 1)` between 0 and 1, "label" `(n,)`) and `plan.tflite`."""
    from sklearn.datasets import load_digits

    from examples.digits.model import build_model
    from fieldfare.converters import export_keras

    digits = load_digits()
    images = (digits.images[..., np.newaxis] / _LARGEST_PIXEL).astype(np.float32)
    np.savez(folder / "data.npz", image=images, label=digits.target.astype(np.int32))
    export_keras(build_model(), folder / "plan.tflite", batch_size=8, gradients=True)
