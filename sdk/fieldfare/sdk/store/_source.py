"""What a device needs of its examples, and what a person gets of theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from numpy.typing import NDArray

from fieldfare.core.plans import Examples
from fieldfare.core.weights import TensorSpec


class ExampleSource(Protocol):
    """Where a device's examples come from. `ExampleStore` and `Selection` are those that ship."""

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


class _Collected(Protocol):
    """An example store, as a selection sees it."""

    specs: tuple[TensorSpec, ...]

    def training(self, limit: int | None = None, *, collections: Sequence[str] = ()) -> Examples: ...

    def held_out(self, *, collections: Sequence[str] = ()) -> Examples: ...


class Selection:
    """Some of a store's collections, as an `ExampleSource`; see `ExampleStore.select`.

    Attributes:
        collections: their names.
    """

    def __init__(self, store: _Collected, collections: tuple[str, ...]) -> None:
        self._store = store
        self.collections = collections

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Those of the store."""
        return self._store.specs

    def training(self, limit: int | None = None) -> Examples:
        """See `ExampleStore.training`."""
        return self._store.training(limit, collections=self.collections)

    def held_out(self) -> Examples:
        """See `ExampleStore.held_out`."""
        return self._store.held_out(collections=self.collections)


@dataclass(frozen=True, slots=True)
class StoredExample:
    """One example with all that the store knows of it.

    Attributes:
        number: its id.
        collection: the name of its collection.
        key: the application's name for it.
        added: when it came, or was last replaced; UTC.
        held_out: kept for evaluation.
        tensors: tensor name to an array of the spec's shape and dtype.
    """

    number: int
    collection: str
    key: str | None
    added: datetime
    held_out: bool
    tensors: dict[str, NDArray[Any]]
