"""Who may call, and what protects the calls."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fieldfare.aggregator.settings._checks import at_least_one, need, positive

_SECTION = "security"
_ENROLLMENT = ("auto", "required", "off")
LONGEST_TOKEN = timedelta(days=7)
"""No access token lasts longer, whatever the setting."""


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Who may call, and what protects the calls.

    Attributes:
        tls_cert: PEM file with the certificate chain of the device port; none serves without TLS, on loopback only.
            A file that changes is read again, without a restart.
        tls_key: PEM file with its private key.
        tls_client_ca: PEM file of the authorities whose certificates devices must show; none asks for no certificate.
        admin_tls_cert: PEM file with the certificate chain of the administration port, which may be the same one; none
            serves it without TLS, on loopback only.
        admin_tls_key: PEM file with its private key.
        admin_tls_client_ca: PEM file of the authorities whose certificates administrators must show.
        enrollment: "required": devices need an access token; "off": whoever reaches the port is a device, on loopback
            or with tls_client_ca only; "auto": off on loopback, else required.
        token_lifetime: an access token ends after this; its device gets the next one by its signature.
        clock_window: how far a device's clock may be from this one when it asks for a token.
        revocation_poll: how often replicas look for devices that were revoked.
        publishers: PEM files of public keys; where there are any, one of them must have signed every plan that is
            submitted.
        device_calls_per_s: calls of one device in the long run.
        device_burst: calls of one device at once after a rest.
        peer_calls_per_s: calls to the device port from one address that is not of this machine, in the long run.
        peer_burst: calls from one such address at once after a rest.
        failures_per_min: failed sign-ins from one address, counted for each port by itself; beyond them whatever would
            sign in from there is refused unseen, with a valid token too, until there is room again.

    Raises:
        ConfigError: a field out of its bounds; a certificate without its key, or the other way round.
    """

    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    admin_tls_cert: Path | None = None
    admin_tls_key: Path | None = None
    admin_tls_client_ca: Path | None = None
    enrollment: str = "auto"
    token_lifetime: timedelta = timedelta(hours=1)
    clock_window: timedelta = timedelta(minutes=5)
    revocation_poll: timedelta = timedelta(seconds=2)
    publishers: tuple[Path, ...] = ()
    device_calls_per_s: float = 20.0
    device_burst: int = 400
    peer_calls_per_s: float = 500.0
    peer_burst: int = 5000
    failures_per_min: int = 30

    def __post_init__(self) -> None:
        both = (self.tls_cert is None) == (self.tls_key is None)
        need(both, _SECTION, "tls_cert", "TLS needs both tls_cert (--tls-cert) and tls_key (--tls-key)")
        both = (self.admin_tls_cert is None) == (self.admin_tls_key is None)
        need(both, _SECTION, "admin_tls_cert", "TLS needs both admin_tls_cert and admin_tls_key")
        for prefix in ("", "admin_"):
            name = f"{prefix}tls_client_ca"
            alone = getattr(self, name) is not None and getattr(self, f"{prefix}tls_cert") is None
            need(not alone, _SECTION, name, f"needs {prefix}tls_cert too: certificates are shown within TLS")
        need(self.enrollment in _ENROLLMENT, _SECTION, "enrollment", f"must be one of {', '.join(_ENROLLMENT)}")
        positive(_SECTION, self, "token_lifetime", "clock_window", "revocation_poll")
        need(self.token_lifetime <= LONGEST_TOKEN, _SECTION, "token_lifetime", "must be at most 7 days")
        at_least_one(_SECTION, self, "device_burst", "peer_burst", "failures_per_min")
        for name in ("device_calls_per_s", "peer_calls_per_s"):
            need(0 < getattr(self, name) < float("inf"), _SECTION, name, "must be a positive number")
