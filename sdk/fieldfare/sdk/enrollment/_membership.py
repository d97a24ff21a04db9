"""What a device keeps of its enrolment: its private key, its token, and how wrong its clock is."""

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldfare.core.errors import StateError, StorageError
from fieldfare.core.files import OWNER_ONLY, write_atomically
from fieldfare.core.signing import SEED_BYTES

LATEST_MICROS = 253_402_300_800 * 10**6
"""The end of the year 9999: no clock shows a later time."""

_LOG = logging.getLogger("fieldfare.sdk")


@dataclass(frozen=True, slots=True)
class Member:
    """An enrolled device.

    Attributes:
        population: as the aggregator told.
        token: the newest access token; empty where there is none.
        expires_micros: its end, in microseconds since 1970 by the aggregator's clock.
        clock_behind_micros: what to add to the device's clock to have the aggregator's.
        signed_micros: the time that was signed last; the next must be later.
    """

    population: str = ""
    token: str = ""
    expires_micros: int = 0
    clock_behind_micros: int = 0
    signed_micros: int = 0


class Membership:
    """The files `device_key` and `member.json` in a device's folder, both with the rights 0600.

    Args:
        folder: the device's.
    """

    def __init__(self, folder: Path) -> None:
        self._key = folder / "device_key"
        self._member = folder / "member.json"

    def private_key(self, *, create: bool = False) -> bytes:
        """The seed of the device's Ed25519 key, 32 bytes.

        Args:
            create: make one where there is none.

        Raises:
            StateError: there is none, or a damaged one.
            StorageError: it cannot be read or written.
        """
        try:
            if create and not self._key.exists():
                write_atomically(self._key, os.urandom(SEED_BYTES), mode=OWNER_ONLY)
            found = self._key.read_bytes()
        except FileNotFoundError as error:
            raise StateError(f"{self._key} is gone: enrol this device again, in an empty folder") from error
        except OSError as error:
            raise StorageError(f"{self._key} cannot be read: {error.strerror}") from error
        if len(found) != SEED_BYTES:
            raise StateError(f"{self._key} is damaged: enrol this device again, in an empty folder")
        return found

    def read(self) -> Member | None:
        """What is known; None before the enrolment.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            member = Member(**json.loads(self._member.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self._member} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, RecursionError):
            member = None
        if member is None or not _is_typed(member):
            _LOG.warning("%s is damaged; the device asks for a new token", self._member)
            return Member()
        return member

    def write(self, member: Member) -> None:
        """Replace it at once.

        Raises:
            StorageError: it cannot be written.
        """
        write_atomically(self._member, json.dumps(asdict(member)).encode(), mode=OWNER_ONLY)


def _is_typed(member: Member) -> bool:
    typed = all(type(getattr(member, name)) is type(default) for name, default in asdict(Member()).items())
    return typed and all(
        abs(time) <= 2 * LATEST_MICROS
        for time in (member.expires_micros, member.clock_behind_micros, member.signed_micros)
    )
