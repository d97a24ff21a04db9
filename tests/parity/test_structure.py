"""Whole models: subclassed ones, chosen layers, adapters; five steps on LiteRT against Keras."""

import keras
import pytest

from fieldfare.converters import check_parity, export_keras
from fieldfare.core.plans import WeightRole
from tests.parity.layers_structure import ROWS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_trains_as_in_keras(row, tmp_path):
    keras.utils.set_random_seed(4)
    model, path = row.build(), tmp_path / "plan.tflite"
    settings = {"loss": row.losses, "optimizer": keras.optimizers.SGD(0.05, momentum=0.9), "inputs": row.inputs}
    manifest = export_keras(model, path, batch_size=6, trainable=row.trainable, **settings)
    assert sum(one.role is WeightRole.TRAINED for one in manifest.weights) == row.trained
    report = check_parity(model, path, **settings)
    assert report.ok, report
    assert all(name.endswith(row.idle or ("nothing",)) for name in report.idle)
    assert check_parity(model, path, steps=2, delegates=False, **settings).ok
