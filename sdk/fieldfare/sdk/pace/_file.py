"""The pace on disk: a small file that is replaced as a whole."""

import json
import logging
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fieldfare.core.errors import StorageError
from fieldfare.core.files import OWNER_ONLY, write_atomically
from fieldfare.sdk.pace._clock import Moment
from fieldfare.sdk.pace._pace import Pace

_LOG = logging.getLogger("fieldfare.sdk")
LONGEST_WINDOW = timedelta(days=1)


class PaceFile:
    """`pace.json` of a device's folder.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Pace:
        """What was written last; a new pace where nothing was, or where the file is damaged.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            return _pace(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return Pace()
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, OverflowError):
            _LOG.warning("%s is damaged; the device takes it that it never took part", self._path)
            return Pace()

    def write(self, pace: Pace) -> None:
        """Replace it.

        Raises:
            StorageError: the file cannot be written.
        """
        content = {
            "worked": _words(pace.worked),
            "asked": _words(pace.asked),
            "come_back_after_s": pace.come_back_after.total_seconds(),
            "failures": pace.failures,
        }
        write_atomically(self._path, json.dumps(content).encode(), mode=OWNER_ONLY)


def _words(moment: Moment | None) -> dict[str, Any] | None:
    if moment is None:
        return None
    return {"wall": moment.wall.isoformat(), "start": moment.start, "running_s": moment.running_s}


def _pace(content: Any) -> Pace:
    after = timedelta(seconds=content["come_back_after_s"])
    if not timedelta(0) <= after <= LONGEST_WINDOW:
        raise ValueError("longer than a device waits")
    return Pace(_moment(content["worked"]), _moment(content["asked"]), after, int(content["failures"]))


def _moment(content: Any) -> Moment | None:
    if content is None:
        return None
    wall = datetime.fromisoformat(content["wall"])
    if wall.tzinfo is None:
        raise ValueError("a time without its zone")
    running_s = float(content["running_s"])
    if not math.isfinite(running_s):
        raise ValueError("no number of seconds")
    return Moment(wall, str(content["start"]), running_s)
