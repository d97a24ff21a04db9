"""`fieldfare admin`: who may administer, which devices are enrolled, and what was done."""

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fieldfare.aggregator.commands._connection import add_connection, connect
from fieldfare.core.command import Command, Console

if TYPE_CHECKING:
    from fieldfare.aggregator.security import Administrators

_EXAMPLE = """examples:
  fieldfare admin add ada --role admin --state /var/lib/fieldfare
  fieldfare admin keys create --population digits --count 100 --valid-days 30 > keys.txt
  fieldfare admin devices list --population digits
  fieldfare admin devices revoke 3f2a...
  fieldfare admin audit
"""
_Run = Callable[[argparse.Namespace, Console], int]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Administrators, devices, and the audit log. `add`, `list` and `revoke` are run where the aggregator's data\n"
        "base can be opened, whether it runs or not; all others call the admin port."
    )
    parser.epilog = _EXAMPLE
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = _local(actions, "add", "make a credential; its token is printed once", _add)
    add.add_argument("name", help="letters, digits, '_' and '-'")
    add.add_argument("--role", required=True, choices=("viewer", "operator", "admin"), help="what it may do")
    _local(actions, "list", "list credentials", _list)
    revoke = _local(actions, "revoke", "end a credential, at once", _revoke)
    revoke.add_argument("name", help="as `list` shows it")
    audit = _remote(actions, "audit", "show what administrators did, newest first", _audit)
    audit.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (%(default)s)")
    audit.add_argument("--before", type=int, default=0, metavar="NUMBER", help="only records before this one")
    keys = actions.add_parser("keys", help="one-time keys with which devices enrol").add_subparsers(
        metavar="ACTION", required=True
    )
    create = _remote(keys, "create", "make keys; they are printed once, a line each", _create_keys)
    create.add_argument("--population", required=True, metavar="NAME", help="that the devices join")
    create.add_argument("--count", type=int, default=1, metavar="N", help="1 to 10000 (%(default)s)")
    create.add_argument("--valid-days", type=float, default=7.0, metavar="DAYS", help="at most 366 (%(default)s)")
    devices = actions.add_parser("devices", help="enrolled devices").add_subparsers(metavar="ACTION", required=True)
    listing = _remote(devices, "list", "list enrolled devices", _list_devices)
    listing.add_argument("--population", default="", metavar="NAME", help="only the devices of this population")
    end = _remote(devices, "revoke", "end a device's tokens for good", _revoke_device)
    end.add_argument("device", help="its id, as `list` shows it")


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: _Run
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=run)
    return parser


def _remote(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: _Run
) -> argparse.ArgumentParser:
    parser = _action(actions, name, text, run)
    add_connection(parser)
    return parser


def _local(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: _Run
) -> argparse.ArgumentParser:
    parser = _action(actions, name, text, run)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--state", type=Path, metavar="DIR", help="the aggregator's state folder")
    where.add_argument("--database", metavar="URL", help="the replicas' data base, postgresql://...")
    return parser


COMMAND = Command("Administrators, enrolment keys, devices, the audit log", _configure)


@contextmanager
def _administrators(options: argparse.Namespace, *, make: bool = False) -> Iterator["Administrators"]:
    """Those of the data base that the flags name; `make` allows one that is not there yet."""
    import secrets
    from datetime import UTC, datetime

    from fieldfare.aggregator.security import Administrators
    from fieldfare.aggregator.storage import DATABASE_FILE, open_sqlite
    from fieldfare.aggregator.storage.sql import open_postgresql
    from fieldfare.core.errors import StorageError

    if options.database is not None:
        database = open_postgresql(options.database)
    else:
        file = options.state / DATABASE_FILE
        if not file.exists():
            if not make:
                raise StorageError(f"{options.state} is no state folder: give that of `fieldfare serve --state`")
            _make_private(options.state)
        database = open_sqlite(file)
    try:
        yield Administrators(database.security, clock=lambda: datetime.now(UTC), random_bytes=secrets.token_bytes)
    finally:
        database.close()


def _make_private(folder: Path) -> None:
    from fieldfare.core.errors import StorageError

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The data base holds the key that seals tickets.
        folder.chmod(0o700)
    except OSError as error:
        raise StorageError(f"cannot use the state folder {folder}: {error.strerror or error}") from error


def _add(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.core.access import Role

    with _administrators(options, make=True) as administrators:
        token = administrators.add(options.name, Role[options.role.upper()])
    console.say(token)
    console.warn(f"this token of {options.name} is shown once: keep it in a file that only you can read, and give it")
    console.warn("with --token-file FILE or in FIELDFARE_ADMIN_TOKEN. From now on the admin port asks for a token.")
    return 0


def _list(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._text import table

    with _administrators(options) as administrators:
        found = administrators.all()
    if not found:
        console.say("no credentials: on loopback, whoever reaches the admin port may administer")
        return 0
    rows = [
        (
            one.name,
            one.role.name.lower(),
            f"{one.created_at:%Y-%m-%d %H:%M}",
            "" if one.revoked_at is None else f"{one.revoked_at:%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    for line in table(("name", "role", "created (UTC)", "revoked (UTC)"), rows):
        console.say(line)
    return 0


def _revoke(options: argparse.Namespace, console: Console) -> int:
    with _administrators(options) as administrators:
        administrators.revoke(options.name)
    console.say(f"the credential {options.name} is revoked")
    return 0


def _audit(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.aggregator.commands._text import table

    with connect(options) as client:
        found = client.audit(before=options.before, limit=options.limit)
    rows = [
        (
            str(one.number),
            one.at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            one.who or "-",
            getattr(one, "from"),
            one.call,
            one.outcome,
            " ".join(filter(None, (one.subject, one.detail))),
        )
        for one in found
    ]
    for line in table(("number", "time (UTC)", "who", "from", "call", "outcome", "what"), rows):
        console.say(line)
    return 0


def _create_keys(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.core.errors import ConfigError

    if not 0 < options.valid_days <= 366:  # noqa: PLR2004
        raise ConfigError("must be above 0 and at most 366", field="--valid-days")
    with connect(options) as client:
        keys = client.create_keys(options.population, options.count, timedelta(days=options.valid_days))
    for key in keys:
        console.say(key)
    noun = "key" if len(keys) == 1 else "keys"
    console.warn(f"{len(keys)} {noun} for population {options.population}, shown once; each enrols one device")
    return 0


def _list_devices(options: argparse.Namespace, console: Console) -> int:
    with connect(options) as client:
        for one in client.devices(options.population):
            enrolled = one.enrolled_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
            revoked = f"  revoked {one.revoked_at.ToDatetime():%Y-%m-%d %H:%M}" if one.HasField("revoked_at") else ""
            console.say(f"{one.device_id.hex()}  {one.population}  enrolled {enrolled}{revoked}")
    return 0


def _revoke_device(options: argparse.Namespace, console: Console) -> int:
    from fieldfare.core.errors import ConfigError

    if re.fullmatch(r"[0-9a-fA-F]{32}", options.device) is None:
        raise ConfigError("a device id is 32 hexadecimal digits, as `devices list` shows it")
    device_id = bytes.fromhex(options.device)
    with connect(options) as client:
        client.revoke_device(device_id)
    console.say(f"the device {options.device} is revoked; its tokens end within seconds")
    return 0
