"""Devices' calls over gRPC on this machine, in place of calls within the process; time stays emulated."""

from fieldfare.emulator.wire._aggregator import WireAggregator

__all__ = ["WireAggregator"]
