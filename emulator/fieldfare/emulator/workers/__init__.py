"""Where devices do their work: processes of this machine. Which of them does it changes no bit of the result."""

from fieldfare.emulator.workers._device_worker import LITERT, DeviceWorker, Done, Order, WorkerSettings
from fieldfare.emulator.workers._examples import FleetExamples, write_examples
from fieldfare.emulator.workers._pool import ProcessPool, WorkersError

__all__ = [
    "LITERT",
    "DeviceWorker",
    "Done",
    "FleetExamples",
    "Order",
    "ProcessPool",
    "WorkerSettings",
    "WorkersError",
    "write_examples",
]
