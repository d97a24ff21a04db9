"""Optimisers: Keras's own, made anew."""

from typing import Any

import keras


def fresh_optimizer(given: Any, learning_rate: float | None, problems: list[str]) -> Any:
    """A new optimiser like `given`, not built; None, with sentences in `problems`, if it cannot be exported."""
    try:
        found = keras.optimizers.get(given)
    except (ValueError, TypeError):
        problems.append(f"optimizer {given!r} is not known to Keras: give a name of keras.optimizers, or an object")
        return None
    before, name = len(problems), type(found).__name__
    config = found.get_config()
    if isinstance(config.get("learning_rate"), dict) and learning_rate is None:
        problems.append(
            f"optimizer {name} has a learning-rate schedule: give learning_rate=...; tasks set the rate of each round"
        )
    if config.get("use_ema"):
        problems.append(f"optimizer {name} has use_ema=True: leave it out; the aggregator averages already")
    if config.get("loss_scale_factor") or isinstance(found, keras.optimizers.LossScaleOptimizer):
        problems.append(f"optimizer {name} scales the loss for float16: leave it out; plans train in float32")
    if len(problems) > before:
        return None
    if learning_rate is not None:
        config["learning_rate"] = float(learning_rate)
    return type(found).from_config(config)
