"""Attributes of single layers, replaced while a model is traced."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_ABSENT = object()


@contextmanager
def overridden(changes: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """Give objects other attributes inside the context, past Keras's own tracking of what is set.

    Args:
        changes: (object, name of the attribute, value) each; all are as before when the context ends.
    """
    before: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, value in changes:
            before.append((owner, name, owner.__dict__.get(name, _ABSENT)))
            object.__setattr__(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(before):
            if value is _ABSENT:
                owner.__dict__.pop(name, None)
            else:
                object.__setattr__(owner, name, value)
