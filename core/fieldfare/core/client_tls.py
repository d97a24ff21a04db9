"""What a caller needs for TLS, read from the files that it names."""

from dataclasses import dataclass
from pathlib import Path

from fieldfare.core.errors import ConfigError

__all__ = ["ClientTls", "read_client_tls"]


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM bytes, in the order in which `grpc.ssl_channel_credentials` takes them; None for what there is none of.

    Attributes:
        roots: authorities to trust; None for the system's.
        key: the caller's private key.
        chain: the caller's certificate chain.
    """

    roots: bytes | None = None
    key: bytes | None = None
    chain: bytes | None = None

    @property
    def is_asked_for(self) -> bool:
        """Whether the caller named any file, and so wants TLS even where it could do without."""
        return self != ClientTls()


def read_client_tls(ca: Path | None, cert: Path | None, key: Path | None) -> ClientTls:
    """Read the files.

    Raises:
        ConfigError: one that cannot be read, or a certificate without its key.
    """
    if (cert is None) != (key is None):
        raise ConfigError("a certificate of one's own needs both tls_cert and tls_key", field="tls_cert")
    return ClientTls(_read(ca, "tls_ca"), _read(key, "tls_key"), _read(cert, "tls_cert"))


def _read(path: Path | None, field: str) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", field=field) from error
