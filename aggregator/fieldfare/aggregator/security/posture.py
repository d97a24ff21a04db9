"""What an aggregator may do without which protection: on loopback anything, said aloud; beyond it nothing insecure."""

from dataclasses import dataclass

from fieldfare.aggregator.settings import SecuritySettings
from fieldfare.core.addresses import Address
from fieldfare.core.errors import ConfigError

__all__ = ["Posture", "check_posture"]


@dataclass(frozen=True, slots=True)
class Posture:
    """What protects an aggregator.

    Attributes:
        enrollment: devices need access tokens.
        admin_open: administration needs no credential as long as none was ever made.
        warnings: what is not protected, for the operator's eyes; each begins with "insecure:".
    """

    enrollment: bool
    admin_open: bool
    warnings: tuple[str, ...]


def check_posture(
    settings: SecuritySettings, listen: Address, admin_listen: Address, *, any_credential: bool
) -> Posture:
    """Decide what is asked of callers.

    Args:
        settings: the operator's.
        listen: where devices call.
        admin_listen: where administrators call.
        any_credential: whether a credential was ever made, be it revoked.

    Raises:
        ConfigError: a port that other machines reach would not be protected.
    """
    if not listen.is_loopback and settings.tls_cert is None:
        message = "to be reached from other machines, TLS is needed: give --tls-cert and --tls-key"
        raise ConfigError(message, field="listen")
    if settings.enrollment == "off" and not listen.is_loopback and settings.tls_client_ca is None:
        message = "off is for loopback, or with tls_client_ca: whoever reaches the port would be a device"
        raise ConfigError(message, field="security.enrollment")
    if not admin_listen.is_loopback and settings.admin_tls_cert is None:
        message = "to administer from other machines, TLS is needed: give --admin-tls-cert and --admin-tls-key"
        raise ConfigError(message, field="admin_listen")
    if not admin_listen.is_loopback and not any_credential:
        message = "to administer from other machines, credentials are needed: `fieldfare admin add` makes the first"
        raise ConfigError(message, field="admin_listen")
    required = settings.enrollment == "required" or (settings.enrollment == "auto" and not listen.is_loopback)
    warnings = []
    if not required:
        who = "with a client certificate" if settings.tls_client_ca is not None else "that reaches"
        warnings.append(f"insecure: any program {who} {listen.host} may pose as any device (enrollment is off)")
    if not any_credential:
        warnings.append(
            f"insecure: any program that reaches {admin_listen.host} may administer (`fieldfare admin add` ends that)"
        )
    return Posture(required, not any_credential, tuple(warnings))
