"""`fieldfare serve --check`: everything that a start needs, tried once."""

import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from fieldfare.aggregator.configuration import Configuration
from fieldfare.aggregator.observability import Observability
from fieldfare.aggregator.ports import why_not_bound
from fieldfare.aggregator.security import Posture, check_posture, server_credentials
from fieldfare.aggregator.security.publishers import read_publishers
from fieldfare.aggregator.server import Aggregator
from fieldfare.aggregator.settings import StorageSettings
from fieldfare.aggregator.storage import DATABASE_FILE, BlobStore, FolderBlobStore, StateFolder, open_blobs
from fieldfare.aggregator.storage.sql import Found, look_at_postgresql, look_at_sqlite
from fieldfare.aggregator.storage.sql.migrations import head
from fieldfare.core.addresses import parse_address
from fieldfare.core.errors import ConfigError, FieldfareError, StorageError

__all__ = ["Finding", "preflight"]

_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one test.

    Attributes:
        subject: what was tested, in a word or two.
        passed: whether a start would get past it.
        text: what was found, in words.
    """

    subject: str
    passed: bool
    text: str


def preflight(configuration: Configuration, now: datetime | None = None) -> list[Finding]:
    """Test what a start needs. Nothing of it is kept, but a state folder that was not there is made.

    Args:
        configuration: with a state folder.
        now: the present, timezone-aware; None for the clock's.
    """
    now = now or datetime.now(UTC)
    return list(_findings(configuration, now))


def _findings(configuration: Configuration, now: datetime) -> Iterator[Finding]:
    settings, state = configuration.settings, configuration.state
    if state is None:
        raise ConfigError("no state folder is set")
    shown = settings.observability
    yield _tried("rules", lambda: _rules(configuration, state))
    yield _tried("devices", lambda: _port(configuration.listen, "listen"))
    yield _tried("admin", lambda: _port(configuration.admin_listen, "admin_listen"))
    if (metrics := shown.metrics_listen) is not None:
        yield _tried("metrics", lambda: _port(metrics, "observability.metrics_listen"))
    security = settings.security
    if (cert := security.tls_cert) is not None and (key := security.tls_key) is not None:
        yield _tried("tls", lambda: _certificate(cert, key, now))
    if (admin := security.admin_tls_cert) is not None and (admin_key := security.admin_tls_key) is not None:
        yield _tried("admin tls", lambda: _certificate(admin, admin_key, now))
    yield _tried("callers", lambda: _callers(configuration))
    if shown.otlp_endpoint is not None:
        yield _tried("traces", lambda: _traces(configuration))
    storage = _tried("storage", lambda: _storage(state, settings.storage))
    yield storage
    if storage.passed:
        yield _tried("admins", lambda: _admins(configuration, state))


def _tried(subject: str, test: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, test())
    except FieldfareError as error:
        return Finding(subject, False, str(error))


def _rules(configuration: Configuration, state: Path) -> str:
    Aggregator(state, configuration.listen, configuration.admin_listen, configuration.settings)
    return "the settings fit each other"


def _port(text: str, field: str) -> str:
    address = parse_address(text, field=field, lowest_port=0)
    if (why := why_not_bound(address)) is not None:
        raise ConfigError(why, field=field)
    return f"{address} is free" if address.port else f"any free port on {address.host}"


def _certificate(cert: Path, key: Path, now: datetime) -> str:
    try:
        chain = x509.load_pem_x509_certificates(cert.read_bytes())
        key.open("rb").close()
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{cert} is no chain of certificates in PEM form") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=b"")
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"{key} is not the private key of the certificate in {cert}, or is encrypted") from error
    for one in chain:
        name = one.subject.rfc4514_string() or "the certificate"
        if now < one.not_valid_before_utc:
            raise ConfigError(f"{name} in {cert} is not valid before {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
        if now >= one.not_valid_after_utc:
            raise ConfigError(f"{name} in {cert} expired on {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it")
    end = min(one.not_valid_after_utc for one in chain)
    soon = ": renew it soon" if end - now < _SOON else ""
    return f"{cert} fits {key} and is valid until {end:%Y-%m-%d}{soon}"


def _callers(configuration: Configuration) -> str:
    """Authorities and publishers can be read, and together the settings protect what they must."""
    security = configuration.settings.security
    server_credentials(security.tls_cert, security.tls_key, security.tls_client_ca)
    server_credentials(security.admin_tls_cert, security.admin_tls_key, security.admin_tls_client_ca, prefix="admin_")
    publishers = read_publishers(security.publishers)
    # Whether there is any credential, the data base says further on.
    posture = _posture(configuration, any_credential=True)
    devices = "devices must be enrolled" if posture.enrollment else "devices need not be enrolled"
    return f"{devices}; plans of {len(publishers)} publishers only" if publishers else devices


def _posture(configuration: Configuration, *, any_credential: bool) -> Posture:
    addresses = (configuration.listen, configuration.admin_listen)
    listen, admin = (parse_address(one, field="listen", lowest_port=0) for one in addresses)
    return check_posture(configuration.settings.security, listen, admin, any_credential=any_credential)


def _admins(configuration: Configuration, state: Path) -> str:
    found = _look(state, configuration.settings.storage)
    if _posture(configuration, any_credential=found.any_credential).admin_open:
        return "administrators need no credential until `fieldfare admin add` makes the first"
    return "administrators need a credential"


def _traces(configuration: Configuration) -> str:
    settings = configuration.settings
    Observability(settings.observability, settings.storage).close()
    return f"OpenTelemetry is installed; spans go to {settings.observability.otlp_endpoint}"


def _storage(state: Path, settings: StorageSettings) -> str:
    with StateFolder(state) as folder:
        found = _look(state, settings).revision
        if settings.database is None or settings.blobs is None:
            where = str(state)
            blobs: BlobStore = FolderBlobStore(folder.blobs)
        else:
            where, blobs = settings.blobs, open_blobs(settings.blobs)
        _write_and_read(blobs, where)
    words = {
        None: "the data base is made at the first start",
        head(): f"the data base has the present schema, {head()}",
    }
    older = f"a start upgrades the data base from schema {found} to {head()}: have a backup"
    return f"{where} can be written; {words.get(found, older)}"


def _look(state: Path, settings: StorageSettings) -> Found:
    if settings.database is None:
        return look_at_sqlite(state / DATABASE_FILE)
    return look_at_postgresql(settings.database)


def _write_and_read(blobs: BlobStore, where: str) -> None:
    name, content = f"preflight/{secrets.token_hex(8)}", secrets.token_bytes(64)
    blobs.put(name, [content])
    try:
        if blobs.get(name) != content:
            raise StorageError(f"what is written to {where} is not what is read")
    finally:
        blobs.delete(name)
