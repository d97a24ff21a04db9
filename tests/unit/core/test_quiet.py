import logging
import os
import sys

import pytest

from fieldfare.core.command import quiet_log, quiet_native_output


def test_what_native_code_writes_is_dropped_inside_and_shown_outside(capfd, monkeypatch):
    monkeypatch.delenv("FIELDFARE_TRACEBACK", raising=False)
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    os.write(2, b"before ")
    with quiet_native_output():
        os.write(2, b"chatter ")
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_standard_error_comes_back_after_an_error(capfd, monkeypatch):
    monkeypatch.delenv("FIELDFARE_TRACEBACK", raising=False)
    with pytest.raises(ValueError, match="mine"), quiet_native_output():
        raise ValueError("mine")
    print("told", file=sys.stderr)
    assert capfd.readouterr().err == "told\n"


def test_traceback_mode_shows_everything(capfd, monkeypatch):
    monkeypatch.setenv("FIELDFARE_TRACEBACK", "1")
    with quiet_native_output():
        os.write(2, b"chatter")
    assert capfd.readouterr().err == "chatter"


def test_the_log_is_quiet_inside_and_as_it_was_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("fieldfare.somewhere")

    def fail() -> None:
        with quiet_log():
            log.warning("a warning inside")
            log.error("an error inside")
            raise ValueError("mine")

    with caplog.at_level(logging.INFO, logger="fieldfare"):
        with pytest.raises(ValueError, match="mine"):
            fail()
        log.info("afterwards")
    assert [one.message for one in caplog.records] == ["an error inside", "afterwards"]
