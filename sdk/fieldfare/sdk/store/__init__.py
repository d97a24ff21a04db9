"""The device's local data base of examples. Nothing reads it but local training, evaluation and prediction."""

from fieldfare.sdk.store._source import ExampleSource
from fieldfare.sdk.store._store import ExampleStore

__all__ = ["ExampleSource", "ExampleStore"]
