"""`fieldfare demo`: handwritten digits over 30 devices, end to end on one machine."""

from fieldfare.emulator.demo._run import DemoSettings, run_demo

__all__ = ["DemoSettings", "run_demo"]
