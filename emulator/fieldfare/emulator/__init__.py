"""A fleet on a desktop: the devices, trainer and codec that ship, driven in processes of one machine.

Where things are:
    partition   splitting a data set over devices
    fleet       many devices in a few worker processes
    progress    a live display of a running task
    report      report.html, rounds.csv, summary.json
    demo        `fieldfare demo`: handwritten digits over 30 devices
"""

from fieldfare.emulator.fleet import Fleet, VirtualDevice
from fieldfare.emulator.partition import dirichlet_partition

__all__ = ["Fleet", "VirtualDevice", "dirichlet_partition"]
