"""The section `[model]`: a Keras model in place of a plan."""

from dataclasses import dataclass

from fieldfare.core.errors import ConfigError
from fieldfare.core.plans import MAX_BATCH_SIZE


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A Keras model, which is exported once, before the run.

    Attributes:
        source: a .keras file of a compiled model, or "file.py:function" or "module:function" that returns one; in place
            of the plan. A relative path is taken from the scenario's folder.
        batch_size: examples of one training step.
        trainable: what trains, the rest being frozen, as `fieldfare export --trainable` takes it; none: as the model's
            own flags say.
    """

    source: str | None = None
    batch_size: int = 16
    trainable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.source == "":
            raise ConfigError("must not be empty", field="model.source")
        if not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise ConfigError(f"must be 1 to {MAX_BATCH_SIZE}", field="model.batch_size")
