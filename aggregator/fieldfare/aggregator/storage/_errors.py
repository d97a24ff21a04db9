"""What storage raises beside `StorageError`."""

from collections.abc import Iterator
from contextlib import contextmanager

from fieldfare.core.errors import StorageError


class DamagedError(StorageError):
    """Stored state that is there but wrong, or gone: trying again does not help."""


@contextmanager
def damage() -> Iterator[None]:
    """The body only looks at what was read already: where that cannot be used, it is damaged.

    Raises:
        DamagedError: in place of any `StorageError`.
    """
    try:
        yield
    except StorageError as error:
        raise DamagedError(str(error)) from error
