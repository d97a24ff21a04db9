"""Takes part in rounds in a thread of its own, and tells in words what becomes of it."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from fieldfare.core.errors import FieldfareError
from fieldfare.core.metrics import MetricSum
from fieldfare.core.sessions import Ended, Participation
from fieldfare.core.tasks import NextRound
from fieldfare.sdk import Device, LiteRtTrainer
from fieldfare.sdk.training import Trained

_FATE = {
    Ended.COUNTED: "counted",
    Ended.LATE: "came too late",
    Ended.REFUSED: "refused",
    Ended.WITHDRAWN: "not sent",
    Ended.UNREACHABLE: "kept until the aggregator can be reached",
}


class Background:
    """A thread in which a device takes part until it is closed.

    Args:
        device: whose `run_forever` runs; the caller closes it afterwards.
        tell: told in words what happened; called from that thread.
    """

    def __init__(self, device: Device, tell: Callable[[str], None]) -> None:
        self._device, self._tell = device, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="participation", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Give up what is being done, between two steps, and wait for the thread's end. May be called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        self._tell("looking for work")
        try:
            self._device.run_forever(self._stop, lambda one: self._tell(participation_words(one)))
        except FieldfareError as error:
            self._tell(f"stopped: {error}")


class TellingTrainer(LiteRtTrainer):
    """The trainer that ships, which says what it begins to do.

    Args:
        tell: called from the thread that trains.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def train(self, *arguments: Any, **options: Any) -> Trained:
        """See `LiteRtTrainer.train`."""
        self._tell("training on what was typed here")
        return super().train(*arguments, **options)

    def evaluate(self, *arguments: Any, **options: Any) -> Mapping[str, MetricSum]:
        """See `LiteRtTrainer.evaluate`."""
        self._tell("measuring on examples that were held out")
        return super().evaluate(*arguments, **options)


def participation_words(participation: Participation) -> str:
    """What became of it, in one line."""
    assignment, reason = participation.assignment, participation.detail
    if assignment is None:
        return f"waiting{_again(participation.come_back_after)}{f': {reason}' if reason else ''}"
    if participation.ended is Ended.WITHDRAWN:
        return f"round {assignment.round_number}: gave up: {reason}"
    what = "trained, update" if assignment.kind is NextRound.TRAINING else "evaluated, metrics"
    return f"round {assignment.round_number}: {what} {_FATE.get(participation.ended, participation.ended.value)}"


def _again(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    return f" for {seconds} s" if seconds else ""
