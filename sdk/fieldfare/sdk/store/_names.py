"""Names that an application gives to examples and collections."""

from fieldfare.core.errors import ConfigError

_LONGEST_COLLECTION = 64
_LONGEST_KEY = 256


def check_collection(name: str) -> None:
    """Check the name of a collection.

    Raises:
        ConfigError: not 1 to 64 printable characters.
    """
    _check(name, _LONGEST_COLLECTION, "collection")


def check_key(key: str | None) -> None:
    """Check an example's key, where it has one.

    Raises:
        ConfigError: not 1 to 256 printable characters.
    """
    if key is not None:
        _check(key, _LONGEST_KEY, "key")


def _check(name: str, longest: int, field: str) -> None:
    # Safe: a lone surrogate is not printable, so that all that passes can be written as UTF-8.
    if not isinstance(name, str) or not 0 < len(name) <= longest or not name.isprintable():
        raise ConfigError(f"needs 1 to {longest} printable characters", field=field)
