"""Where devices do their work: processes of this machine. Which of them does it changes no bit of the result."""

from fieldfare.emulator.workers._device_worker import DeviceWorker, WorkerSettings, find_trainer
from fieldfare.emulator.workers._examples import FleetArrays, FleetExamples, read_examples, write_examples
from fieldfare.emulator.workers._orders import Done, Order, Workers, WorkersError
from fieldfare.emulator.workers._pool import ProcessPool
from fieldfare.emulator.workers._queue import TRIES, OrderQueue

__all__ = [
    "TRIES",
    "DeviceWorker",
    "Done",
    "FleetArrays",
    "FleetExamples",
    "Order",
    "OrderQueue",
    "ProcessPool",
    "WorkerSettings",
    "Workers",
    "WorkersError",
    "find_trainer",
    "read_examples",
    "write_examples",
]
