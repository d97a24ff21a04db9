"""What a device needs of its examples."""

from typing import Protocol

from fieldfare.core.plans import Examples
from fieldfare.core.weights import TensorSpec


class ExampleSource(Protocol):
    """Where a device's examples come from. `ExampleStore` is the one that ships."""

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """What one example consists of: shapes without the batch axis."""
        ...

    def training(self, limit: int | None = None) -> Examples:
        """The newest `limit` examples to train on, oldest first; `(0, *shape)` arrays where there are none."""
        ...

    def held_out(self) -> Examples:
        """All examples that are kept for evaluation."""
        ...
