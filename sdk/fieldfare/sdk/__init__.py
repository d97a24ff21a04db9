"""What a device embeds: its examples, local training, and its part in the rounds of an aggregator.

    store = ExampleStore.open("examples.db")
    with Device("device", aggregator="127.0.0.1:8470", population="digits", store=store) as device:
        print(device.run_once())

Where things are:
    store        the examples, in one SQLite file
    device       `Device`: rounds, prediction, what is kept on disk
    training     local training and evaluation on LiteRT
    personal     a device's own weights, for its own predictions
    transport    gRPC, and the wrapper that writes the ledger
    enrollment   key pair and access token of a device
    ledger       every message that left the device
    conditions   when a device is willing to work
    pace         how often it takes part, over restarts and clocks that jump
    aio          `run_once` and `run_forever` for asyncio
    cache        plans and checkpoints by their digest
    outbox       the report that waits for its receipt
    reading      CSV and NPZ files as examples
    commands     `fieldfare device`, `fieldfare plan`
"""

from typing import TYPE_CHECKING

from fieldfare.core.late_imports import late_imports

if TYPE_CHECKING:
    from fieldfare.core.weights import TensorSpec
    from fieldfare.sdk.conditions import Conditions, Network, NetworkKind, Probe, SystemProbe, TimeWindow
    from fieldfare.sdk.device import Device
    from fieldfare.sdk.ledger import Ledger
    from fieldfare.sdk.personal import Personal, PersonalRecord
    from fieldfare.sdk.store import ExampleSource, ExampleStore, StoreLimits
    from fieldfare.sdk.training import Limits, LiteRtTrainer, LocalTrainer
    from fieldfare.sdk.transport import GrpcTransport, Transport

__all__ = [
    "Conditions",
    "Device",
    "ExampleSource",
    "ExampleStore",
    "GrpcTransport",
    "Ledger",
    "Limits",
    "LiteRtTrainer",
    "LocalTrainer",
    "Network",
    "NetworkKind",
    "Personal",
    "PersonalRecord",
    "Probe",
    "StoreLimits",
    "SystemProbe",
    "TensorSpec",
    "TimeWindow",
    "Transport",
]

_HOMES = {
    "Conditions": "fieldfare.sdk.conditions",
    "Device": "fieldfare.sdk.device",
    "ExampleSource": "fieldfare.sdk.store",
    "ExampleStore": "fieldfare.sdk.store",
    "GrpcTransport": "fieldfare.sdk.transport",
    "Ledger": "fieldfare.sdk.ledger",
    "Limits": "fieldfare.sdk.training",
    "LiteRtTrainer": "fieldfare.sdk.training",
    "LocalTrainer": "fieldfare.sdk.training",
    "Network": "fieldfare.sdk.conditions",
    "NetworkKind": "fieldfare.sdk.conditions",
    "Personal": "fieldfare.sdk.personal",
    "PersonalRecord": "fieldfare.sdk.personal",
    "Probe": "fieldfare.sdk.conditions",
    "StoreLimits": "fieldfare.sdk.store",
    "SystemProbe": "fieldfare.sdk.conditions",
    "TensorSpec": "fieldfare.core.weights",
    "TimeWindow": "fieldfare.sdk.conditions",
    "Transport": "fieldfare.sdk.transport",
}

__getattr__ = late_imports(__name__, _HOMES)
