"""A fleet on a desktop: the devices, trainer and codec that ship, driven in processes of one machine.

Where things are:
    scenario    what is to be emulated, from TOML or Python
    data        the examples of a whole fleet, from files, data sets and memory
    partition   splitting them over devices, and statistics of that
    model_export    the plan of a scenario that names a Keras model
    own_process     work that loads TensorFlow, apart from the emulation
    devices     what emulated devices are like: speed, network, availability
    simulation  engine and devices in emulated time
    workers     the processes in which devices train
    emulation   a scenario from the first byte to the report
    records     what each device did in each round, and what that comes to
    fleet       many devices over gRPC, in real time
    progress    a live display of a running task
    report      report.html, rounds.csv, summary.json
    demo        `fieldfare demo`: handwritten digits over 30 devices
"""

from typing import TYPE_CHECKING

from fieldfare.core.late_imports import late_imports

if TYPE_CHECKING:
    from fieldfare.emulator.fleet import Fleet, VirtualDevice
    from fieldfare.emulator.partition import dirichlet_partition
    from fieldfare.emulator.scenario import Scenario, read_scenario, scenario_from_mapping

__all__ = [
    "Fleet",
    "Scenario",
    "VirtualDevice",
    "dirichlet_partition",
    "read_scenario",
    "scenario_from_mapping",
]

# Imported when they are first asked for: a worker process needs none of them, and starts so much faster.
_HOMES = {
    "Fleet": "fieldfare.emulator.fleet",
    "VirtualDevice": "fieldfare.emulator.fleet",
    "dirichlet_partition": "fieldfare.emulator.partition",
    "Scenario": "fieldfare.emulator.scenario",
    "read_scenario": "fieldfare.emulator.scenario",
    "scenario_from_mapping": "fieldfare.emulator.scenario",
}

__getattr__ = late_imports(__name__, _HOMES)
