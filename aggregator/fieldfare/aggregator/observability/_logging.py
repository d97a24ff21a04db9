"""The log: lines for people, or an object a line for machines.

Messages begin with the ids that they are about, as key=value ("task=4f... round=3 snapshot devices=7"); the JSON form
lifts those into fields of their own. Both forms add the ids of the call in whose service a record was written.
"""

import json
import logging
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from fieldfare.aggregator.observability._call import CURRENT

_LOGGER = "fieldfare"
_PAIR = re.compile(r"([a-z_]+)=(\S*)(?: |$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@contextmanager
def logging_to(stream: TextIO, form: str, level: str, replica: str | None = None) -> Iterator[None]:
    """Write Fieldfare's log to a stream while the body runs.

    Args:
        stream: usually standard error.
        form: "text" or "json".
        level: "debug", "info", "warning" or "error".
        replica: name of this replica, added to every record; None for none.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter((JsonFormatter if form == "json" else TextFormatter)(replica))
    logger = logging.getLogger(_LOGGER)
    previous = logger.level, logger.propagate
    logger.setLevel(level.upper())
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = previous
        handler.close()


class _Formatter(logging.Formatter):
    def __init__(self, replica: str | None) -> None:
        super().__init__()
        self._replica = {} if replica is None else {"replica": replica}

    def _ids(self) -> dict[str, str]:
        call = CURRENT.get()
        if call is None:
            return self._replica
        ids = {"call": call.id, "method": call.method, "trace": call.trace, "device": call.device}
        return self._replica | {key: value for key, value in ids.items() if value}


class TextFormatter(_Formatter):
    """One line a record, whatever the message holds; a stack trace follows."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        ids = "".join(f" {key}={value}" for key, value in self._ids().items())
        line = f"{_moment(record.created)} {record.levelname:<7} {_one_line(record.getMessage())}{ids}"
        return line if record.exc_info is None else f"{line}\n{_stack(record)}"


class JsonFormatter(_Formatter):
    """One JSON object a line: time, level, logger, message, and the ids."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        message = record.getMessage()
        ids: dict[str, str] = {}
        while match := _PAIR.match(message):
            ids[match[1]] = match[2]
            message = message[match.end() :]
        own = {"time": _moment(record.created), "level": record.levelname.lower(), "logger": record.name}
        # What the aggregator says of itself goes before what a message seems to say; the order is the reader's.
        fields = own | ids | self._ids() | own | {"message": message}
        if record.exc_info is not None:
            fields["stack"] = _stack(record)
        return json.dumps(fields, ensure_ascii=False)


def _moment(created: float) -> str:
    """UTC, RFC 3339, milliseconds."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(created))}.{int(created % 1 * 1000):03d}Z"


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _stack(record: logging.LogRecord) -> str:
    return "" if record.exc_info is None else "".join(traceback.format_exception(*record.exc_info)).rstrip()
