"""How a command reaches the administration port: address, token, TLS."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.core.errors import ConfigError

if TYPE_CHECKING:
    from fieldfare.aggregator import AdminClient

_ADMIN = "127.0.0.1:8471"
_VARIABLE = "FIELDFARE_ADMIN_TOKEN"
_LONGEST_FILE = 4096


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The flags that every command of administration has."""
    parser.add_argument("--admin", default=_ADMIN, metavar="HOST:PORT", help="the admin port (%(default)s)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help=f"holds your token; or set {_VARIABLE}")
    parser.add_argument("--tls-ca", type=Path, metavar="PEM", help="authorities to trust (the system's)")
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="your certificate, where one is asked for")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its private key")


def connect(options: argparse.Namespace) -> "AdminClient":
    """The client that the flags describe.

    Raises:
        ConfigError: an address, a file or a token that cannot be used.
    """
    from fieldfare.aggregator import AdminClient

    return AdminClient(
        options.admin,
        token=_token(options.token_file),
        tls_ca=options.tls_ca,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
    )


def _token(path: Path | None) -> str:
    if path is None:
        text, source = os.environ.get(_VARIABLE, ""), _VARIABLE
    else:
        source = str(path)
        try:
            with path.open(encoding="ascii") as file:
                text = file.read(_LONGEST_FILE)
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror or error}", field="--token-file") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} holds no token", field="--token-file") from error
    token = text.strip()
    # gRPC would fail with a stack trace on what cannot stand in a header.
    if not all("!" <= character <= "~" for character in token):
        raise ConfigError(f"{source} holds no token: one line, as `fieldfare admin add` printed it")
    return token
