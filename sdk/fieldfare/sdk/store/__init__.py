"""The device's local data base of examples. Nothing reads it but local training, evaluation and prediction."""

from fieldfare.sdk.store._export import export
from fieldfare.sdk.store._limits import StoreLimits
from fieldfare.sdk.store._source import ExampleSource, Selection, StoredExample
from fieldfare.sdk.store._store import ExampleStore

__all__ = ["ExampleSource", "ExampleStore", "Selection", "StoreLimits", "StoredExample", "export"]
