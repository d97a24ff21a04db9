"""Keeps the chatter of native libraries away from a command's output; errors are told by Fieldfare itself."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_native_output() -> Iterator[None]:
    """Send what TensorFlow and LiteRT write to standard error to nowhere, and ask TensorFlow to log less.

    For commands only: it changes the whole process for a while. FIELDFARE_TRACEBACK=1 shows everything.
    """
    if os.environ.get("FIELDFARE_TRACEBACK") == "1":
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    # Only the descriptor: what Python itself writes to sys.stderr inside is lost too, so nothing is to be said inside.
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def quiet_log() -> Iterator[None]:
    """Keep the library's own log below errors: what a command tells by itself, or draws over, need not be told twice.

    For commands and examples: it changes the whole process for a while.
    """
    log = logging.getLogger("fieldfare")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
