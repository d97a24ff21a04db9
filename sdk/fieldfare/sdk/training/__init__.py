"""Local training and evaluation: what an assignment asks for, done on this device's own examples."""

from fieldfare.sdk.training._limits import NO_LIMITS, Limits, check_memory, time_limit
from fieldfare.sdk.training._litert import LiteRtTrainer
from fieldfare.sdk.training._progress import Progress
from fieldfare.sdk.training._release import Release, Unloadable
from fieldfare.sdk.training._rest import Rest, Rested, RestFile, Resting, clear_overdue
from fieldfare.sdk.training._trainer import Enough, Interrupt, Interrupted, LocalTrainer, Trained, never
from fieldfare.sdk.training._work import Job, do_work, read_weights

__all__ = [
    "NO_LIMITS",
    "Enough",
    "Interrupt",
    "Interrupted",
    "Job",
    "Limits",
    "LiteRtTrainer",
    "LocalTrainer",
    "Progress",
    "Release",
    "Rest",
    "RestFile",
    "Rested",
    "Resting",
    "Trained",
    "Unloadable",
    "check_memory",
    "clear_overdue",
    "do_work",
    "never",
    "read_weights",
    "time_limit",
]
