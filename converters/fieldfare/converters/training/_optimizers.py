"""Optimisers: Keras's own, made anew."""

from collections.abc import Sequence
from typing import Any

import keras

REFUSED_OPTIMIZERS = {
    "Lamb": "stops LiteRT with a segmentation fault, at the norms that it multiplies: use AdamW",
    "LossScaleOptimizer": "scales the loss for float16: leave it out; plans train in float32",
    "MultiOptimizer": "has a learning rate for each of its optimisers, and a task sets one: train with one optimiser",
}
"""Classes of optimisers to why they have no plan."""

_BESIDE_CONFIG = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
"""Settings that Keras does not write into an optimiser's configuration."""


def fresh_optimizer(given: Any, learning_rate: float | None, problems: list[str]) -> Any:
    """A new optimiser like `given`, not built; None, with sentences in `problems`, if it cannot be exported."""
    try:
        found = keras.optimizers.get(given)
    except (ValueError, TypeError):
        problems.append(f"optimizer {given!r} is not known to Keras: give a name of keras.optimizers, or an object")
        return None
    before, name = len(problems), type(found).__name__
    if reason := REFUSED_OPTIMIZERS.get(name):
        problems.append(f"optimizer {name} {reason}")
        return None
    config = found.get_config()
    if not isinstance(config.get("learning_rate"), int | float) and learning_rate is None:
        problems.append(
            f"optimizer {name} has a learning-rate schedule: give learning_rate=...; tasks set the rate of each round"
        )
    if config.get("use_ema"):
        problems.append(f"optimizer {name} has use_ema=True: leave it out; the aggregator averages already")
    if config.get("loss_scale_factor"):
        problems.append(f"optimizer {name} {REFUSED_OPTIMIZERS['LossScaleOptimizer']}")
    if len(problems) > before:
        return None
    if learning_rate is not None:
        config["learning_rate"] = float(learning_rate)
    made = type(found).from_config(config)
    for setting in _BESIDE_CONFIG:
        if hasattr(found, setting):
            setattr(made, setting, getattr(found, setting))
    return made


def starting_points(optimizer: Any, trained: Sequence[Any]) -> dict[int, Any]:
    """State that starts as a copy of a weight: id of the optimiser's variable to the weight's variable.

    Args:
        optimizer: built.
        trained: the variables that it was built for.
    """
    # By name: Keras 3.13 does not have it.
    if type(optimizer).__name__ == "ScheduleFreeAdamW":
        return {id(one): weight for one, weight in zip(optimizer._momentums, trained, strict=True)}
    return {}
