"""The plan of an emulation whose scenario names a Keras model."""

from pathlib import Path
from typing import Any

from fieldfare.core.errors import ModelError
from fieldfare.core.tasks import Algorithm
from fieldfare.emulator.own_process import in_own_process
from fieldfare.emulator.scenario import Scenario

_NAME = "plan.tflite"


def plan_of(scenario: Scenario, folder: Path, model: Any = None) -> Path:
    """The file of the plan; a Keras model is exported to `plan.tflite` in the folder, once.

    A model that the scenario names is built and exported in a process of its own, with Keras's generators seeded by the
    scenario's seed, so that TensorFlow takes no memory of the emulation's.

    Args:
        scenario: names a plan, or a model.
        folder: of the results. A plan that lies there already, as that of a run that goes on, is taken as it is.
        model: a compiled `keras.Model` in place of what the scenario names.

    Raises:
        FieldfareError: the model cannot be made or exported; see `fieldfare.converters.export_keras`.
    """
    settings, path = scenario.settings, folder / _NAME
    source = settings.model.source
    if model is None and source is None:
        return settings.plan
    if path.is_file():
        return path
    options: dict[str, Any] = {
        "batch_size": settings.model.batch_size,
        "trainable": list(settings.model.trainable) or None,
        "gradients": scenario.task.aggregation.algorithm is Algorithm.DSGD,
    }
    if model is not None:
        from fieldfare.converters import export_keras

        export_keras(model, path, **options)
    else:
        gone = ModelError(f"{source}: the process that exported it has ended, perhaps for lack of memory")
        in_own_process(export_model, gone, str(source), path, settings.seed, options)
    return path


def export_model(source: str, path: Path, seed: int, options: dict[str, Any]) -> None:
    """In the process of its own: make the model and export it.

    Raises:
        FieldfareError: see `fieldfare.converters.sources.load_model` and `export_keras`.
    """
    import keras

    from fieldfare.converters import export_keras
    from fieldfare.converters.sources import load_model

    keras.utils.set_random_seed(seed % 2**32)
    export_keras(load_model(source), path, **options)
