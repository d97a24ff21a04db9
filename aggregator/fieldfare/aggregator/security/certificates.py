"""TLS of a port. Certificates are renewed without a restart: the files are looked at with every handshake."""

import logging
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from fieldfare.core.errors import ConfigError

__all__ = ["server_credentials"]

_log = logging.getLogger("fieldfare.aggregator")
_Stamp = tuple[tuple[int, int, int], ...]


def server_credentials(cert: Path | None, key: Path | None, client_ca: Path | None) -> grpc.ServerCredentials | None:
    """Credentials that follow their files; None without a certificate.

    Args:
        cert: PEM file with the certificate chain.
        key: PEM file with its private key.
        client_ca: PEM file of the authorities whose certificates callers must show; None asks for none.

    Raises:
        ConfigError: a file that cannot be read, or a certificate and key that do not belong together.
    """
    if cert is None or key is None:
        return None
    files = _Files(cert, key, client_ca)
    # Safe: gRPC takes None for "no change"; only its type stubs do not know.
    return grpc.dynamic_ssl_server_credentials(files.first(), files.changed, client_ca is not None)  # type: ignore[arg-type]


class _Files:
    """What was read last. Called from gRPC's threads; the worst that two at once can do is to read twice."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
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
        files = [one for one in (self._cert, self._key, self._client_ca) if one is not None]
        try:
            found = [one.stat() for one in files]
        except OSError as error:
            raise _unreadable(error) from error
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        try:
            key, chain = self._key.read_bytes(), self._cert.read_bytes()
            roots = None if self._client_ca is None else self._client_ca.read_bytes()
        except OSError as error:
            raise _unreadable(error) from error
        _check_pair(self._cert, chain, self._key, key)
        if roots is not None:
            _certificates(self._client_ca, roots)
        return grpc.ssl_server_certificate_configuration([(key, chain)], roots)


def _check_pair(cert: Path, chain: bytes, key_path: Path, key: bytes) -> None:
    """Also keeps out a pair of which only one half has been renewed yet."""
    leaf = _certificates(cert, chain)[0]
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{key_path} is no private key in PEM, or an encrypted one", field="tls_key") from error
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*encoding) != leaf.public_key().public_bytes(*encoding):
        raise ConfigError(f"the certificate {cert} does not belong to the key {key_path}", field="tls_cert")


def _certificates(path: Path | None, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(f"{path} holds no certificate in PEM", field="tls_cert") from error


def _unreadable(error: OSError) -> ConfigError:
    return ConfigError(f"cannot read {error.filename}: {error.strerror}", field="tls_cert")
