"""What the other tests here start meets Ctrl-C as in a terminal."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.emulator.running import running

SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def background() -> Iterator[None]:
    """Tests that a script has put into the background: a shell lets them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("background")
def test_an_interrupt_ends_a_command_that_tests_in_the_background_have_started(tmp_path: Path):
    with running([sys.executable, "-c", SLEEPER], tmp_path / "errors") as one:
        one.wait_for("ready")
        one.interrupt(group=True)
        assert one.ended() == -signal.SIGINT
    assert "KeyboardInterrupt" in one.complained
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
