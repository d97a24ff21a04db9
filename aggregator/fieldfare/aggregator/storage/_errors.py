"""What storage raises beside `StorageError`."""

from fieldfare.core.errors import StorageError


class DamagedError(StorageError):
    """Stored state that is there but wrong, or gone: trying again does not help."""
