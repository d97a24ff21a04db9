"""TLS of a port. Certificates are renewed without a restart: the files are looked at with every handshake."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from fieldfare.core.errors import ConfigError

__all__ = ["server_credentials"]

_log = logging.getLogger("fieldfare.aggregator")
_T = TypeVar("_T")
_Stamp = tuple[tuple[int, int, int], ...]


def server_credentials(
    cert: Path | None, key: Path | None, client_ca: Path | None, *, prefix: str = ""
) -> grpc.ServerCredentials | None:
    """Credentials that follow their files; None without a certificate.

    Args:
        cert: PEM file with the certificate chain.
        key: PEM file with its private key.
        client_ca: PEM file of the authorities whose certificates callers must show; None asks for none.
        prefix: of the names of the three settings, such as "admin_".

    Raises:
        ConfigError: a file that cannot be read, or a certificate and key that do not belong together.
    """
    if cert is None or key is None:
        return None
    files = _Files(cert, key, client_ca, f"security.{prefix}")
    # Safe: gRPC takes None for "no change"; only its type stubs do not know.
    return grpc.dynamic_ssl_server_credentials(files.first(), files.changed, client_ca is not None)  # type: ignore[arg-type]


class _Files:
    """What was read last. Called from gRPC's threads; the worst that two at once can do is to read twice."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None, prefix: str) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
        named = ((cert, "tls_cert"), (key, "tls_key"), (client_ca, "tls_client_ca"))
        self._fields = [(path, prefix + name) for path, name in named if path is not None]
        self._stamp: _Stamp = ()

    def first(self) -> grpc.ServerCertificateConfiguration:
        self._stamp = self._look()
        return self._read()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration; None where there is none, or none that can be used: then the old one stays."""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return None
            configuration = self._read()
        except ConfigError as error:
            _log.error("the certificate stays as it was: %s", error)
            return None
        self._stamp = stamp
        _log.info("the certificate was read again from %s", self._cert)
        return configuration

    def _look(self) -> _Stamp:
        found = [_reached(path, field, Path.stat) for path, field in self._fields]
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain, key, *roots = [_reached(path, field, Path.read_bytes) for path, field in self._fields]
        _check_pair(self._fields[0], chain, self._fields[1], key)
        for pem in roots:
            _certificates(*self._fields[2], pem)
        return grpc.ssl_server_certificate_configuration([(key, chain)], roots[0] if roots else None)


def _reached(path: Path, field: str, how: Callable[[Path], _T]) -> _T:
    try:
        return how(path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", field=field) from error


def _check_pair(cert: tuple[Path, str], chain: bytes, key: tuple[Path, str], pem: bytes) -> None:
    """Also keeps out a pair of which only one half has been renewed yet."""
    leaf = _certificates(*cert, chain)[0]
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{key[0]} is no private key in PEM, or an encrypted one", field=key[1]) from error
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*encoding) != leaf.public_key().public_bytes(*encoding):
        raise ConfigError(f"the certificate {cert[0]} does not belong to the key {key[0]}", field=cert[1])


def _certificates(path: Path, field: str, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(f"{path} holds no certificate in PEM", field=field) from error
