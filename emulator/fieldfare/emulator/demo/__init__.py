"""`fieldfare demo`: handwritten digits over 30 devices, end to end on one machine."""

from fieldfare.emulator.demo._run import run_demo
from fieldfare.emulator.demo._settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
