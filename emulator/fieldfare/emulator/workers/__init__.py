"""Where devices do their work: processes of this machine. Which of them does it changes no bit of the result."""

from fieldfare.emulator.workers._device_worker import DeviceWorker, WorkerSettings
from fieldfare.emulator.workers._examples import FleetExamples, write_examples
from fieldfare.emulator.workers._orders import Done, Order, Workers, WorkersError
from fieldfare.emulator.workers._pool import ProcessPool

__all__ = [
    "DeviceWorker",
    "Done",
    "FleetExamples",
    "Order",
    "ProcessPool",
    "WorkerSettings",
    "Workers",
    "WorkersError",
    "write_examples",
]
