"""Who may call, and what protects the calls."""

from dataclasses import dataclass
from pathlib import Path

from fieldfare.aggregator.settings._checks import need


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Who may call, and what protects the calls.

    Attributes:
        tls_cert: PEM file with the certificate chain of the device port; none serves without TLS, on loopback only.
        tls_key: PEM file with its private key.

    Raises:
        ConfigError: a certificate without its key, or the other way round.
    """

    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        both = (self.tls_cert is None) == (self.tls_key is None)
        need(both, "security", "tls_cert", "TLS needs both tls_cert (--tls-cert) and tls_key (--tls-key)")
