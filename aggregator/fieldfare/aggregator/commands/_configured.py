"""From the flags of `fieldfare serve` to its configuration."""

import argparse
from typing import Any

from fieldfare.aggregator.configuration import Configuration, read_configuration
from fieldfare.core.configuration import parse_assignment
from fieldfare.core.errors import ConfigError


def configured(options: argparse.Namespace) -> Configuration:
    """The file's settings, with the flags on top, and `--set` on top of those.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, a value that cannot be.
    """
    flags: dict[str, Any] = {
        "state": options.state,
        "listen": options.listen,
        "admin_listen": options.admin_listen,
        "security.tls_cert": options.tls_cert,
        "security.tls_key": options.tls_key,
        "security.tls_client_ca": options.tls_client_ca,
        "security.admin_tls_cert": options.admin_tls_cert,
        "security.admin_tls_key": options.admin_tls_key,
        "security.admin_tls_client_ca": options.admin_tls_client_ca,
        "security.enrollment": options.enrollment,
        "limits.max_artifact_bytes": None if options.max_artifact_mb is None else options.max_artifact_mb * 2**20,
        "engine.keep_checkpoints": options.keep_checkpoints,
        "storage.database": options.database,
        "storage.blobs": options.blobs,
        "storage.replica": options.replica,
        "pace.shortest": None if options.come_back_s is None else f"{_seconds(options.come_back_s):f}s",
        "observability.metrics_listen": options.metrics_listen,
        "observability.log_format": options.log_format,
        "observability.log_level": options.log_level,
    }
    set_by_hand = dict(parse_assignment(one, "--set", "limits.max_reports=200") for one in options.set)
    return read_configuration(options.config, flags | set_by_hand)


def _seconds(value: float) -> float:
    if not 0 < value <= 3600:  # noqa: PLR2004
        raise ConfigError("must be a number of seconds, above 0 and at most 3600", field="--come-back-s")
    return value
