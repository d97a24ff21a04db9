import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest

from fieldfare.emulator.demo._interrupts import kept_interrupts


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """As in a command that a terminal has started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(steps: list[Callable[[], None]], begun: list[str]) -> None:
    with kept_interrupts() as obey:
        for step in steps:
            begun.append(step.__name__)
            step()
            obey()


def quiet_step() -> None:
    pass


def interrupted_step() -> None:
    signal.raise_signal(signal.SIGINT)


def swallowing_step() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        interrupted_step()


def failing_step() -> None:
    swallowing_step()
    raise ValueError("a call from native code failed")


@pytest.mark.parametrize("step", [interrupted_step, swallowing_step, failing_step])
def test_an_interrupt_ends_the_step_that_it_comes_in(step: Callable[[], None]):
    begun: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run([quiet_step, step, quiet_step], begun)
    assert begun == ["quiet_step", step.__name__]


def test_a_swallowed_interrupt_comes_at_the_end():
    with pytest.raises(KeyboardInterrupt), kept_interrupts():
        swallowing_step()


def test_what_an_interrupt_meant_before_it_means_afterwards():
    with kept_interrupts() as obey:
        obey()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_interrupt_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with kept_interrupts() as obey:
        signal.raise_signal(signal.SIGINT)
        obey()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
