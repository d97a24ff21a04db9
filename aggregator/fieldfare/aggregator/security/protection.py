"""What protects a running aggregator, put together from settings and data base at its start."""

import secrets
from collections.abc import Callable
from datetime import datetime

from fieldfare.aggregator.security.administrators import Administrators
from fieldfare.aggregator.security.certificates import server_credentials
from fieldfare.aggregator.security.enrollment import Enrollment
from fieldfare.aggregator.security.posture import check_posture
from fieldfare.aggregator.security.publishers import read_publishers
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.aggregator.storage import SqlDatabase
from fieldfare.core.addresses import Address

__all__ = ["Protection"]


class Protection:
    """Built at each start, from settings and data base.

    Args:
        settings: of the aggregator.
        listen: where devices call.
        admin_listen: where administrators call.
        database: holds devices, credentials and the shared key.
        clock: the present, timezone-aware.

    Attributes:
        ticket_key: seals tickets; shared by all replicas.
        store: rows about who may call.
        enrollment: knows devices.
        administrators: knows their credentials.
        publishers: public keys, one of which must have signed a plan; none asks for no signature.
        posture: what is asked of callers; what is not protected is logged here.
        credentials: TLS of the device port, or None.
        admin_credentials: TLS of the administration port, or None.

    Raises:
        ConfigError: a certificate that cannot be used; a port that other machines reach would not be protected.
        StorageError: the data base cannot be used.
    """

    def __init__(
        self,
        settings: ServerSettings,
        listen: Address,
        admin_listen: Address,
        database: SqlDatabase,
        clock: Callable[[], datetime],
    ) -> None:
        security = settings.security
        self.ticket_key = database.ticket_key()
        self.store = database.security
        self.publishers = read_publishers(security.publishers)
        draw = secrets.token_bytes
        self.enrollment = Enrollment(self.store, self.ticket_key, security, clock=clock, random_bytes=draw)
        self.enrollment.look_for_revocations()
        self.administrators = Administrators(self.store, clock=clock, random_bytes=draw)
        any_credential = bool(self.administrators.all())
        self.posture = check_posture(security, listen, admin_listen, any_credential=any_credential)
        self.credentials = server_credentials(security.tls_cert, security.tls_key, security.tls_client_ca)
        self.admin_credentials = server_credentials(
            security.admin_tls_cert, security.admin_tls_key, security.admin_tls_client_ca, prefix="admin_"
        )
