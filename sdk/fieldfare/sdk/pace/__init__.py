"""How often a device takes part, whatever becomes of its process and its clock."""

from fieldfare.sdk.pace._clock import MachineClock, Moment, RunningClock, elapsed
from fieldfare.sdk.pace._file import PaceFile
from fieldfare.sdk.pace._pace import Pace
from fieldfare.sdk.pace._pacer import Pacer

__all__ = ["MachineClock", "Moment", "Pace", "PaceFile", "Pacer", "RunningClock", "elapsed"]
