"""Whose plans an aggregator takes."""

from collections.abc import Iterable
from pathlib import Path

from fieldfare.core.errors import ConfigError
from fieldfare.core.signing import public_key_from_pem

__all__ = ["read_publishers"]


def read_publishers(paths: Iterable[Path]) -> frozenset[bytes]:
    """Public keys from their PEM files.

    Raises:
        ConfigError: a file that cannot be read, or that holds no such key.
    """
    return frozenset(_read(path) for path in paths)


def _read(path: Path) -> bytes:
    try:
        return public_key_from_pem(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", field="security.publishers") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", field="security.publishers") from error
