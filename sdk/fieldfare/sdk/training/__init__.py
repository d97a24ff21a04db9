"""Local training and evaluation: what an assignment asks for, done on this device's own examples."""

from fieldfare.sdk.training._litert import LiteRtTrainer
from fieldfare.sdk.training._trainer import Interrupt, Interrupted, LocalTrainer, Trained
from fieldfare.sdk.training._work import Job, do_work

__all__ = ["Interrupt", "Interrupted", "Job", "LiteRtTrainer", "LocalTrainer", "Trained", "do_work"]
