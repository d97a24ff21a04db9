"""What is to be emulated: a typed TOML file, or the same from Python."""

from fieldfare.emulator.scenario._fleet import (
    ConditionSettings,
    EnergySettings,
    FleetSettings,
    MemorySettings,
    TraceSettings,
)
from fieldfare.emulator.scenario._reading import SCENARIO_KEYS, print_scenario, read_scenario, scenario_from_mapping
from fieldfare.emulator.scenario._scenario import Scenario
from fieldfare.emulator.scenario._sections import (
    DataSettings,
    EngineSettings,
    PartitionKind,
    PartitionSettings,
)

__all__ = [
    "SCENARIO_KEYS",
    "ConditionSettings",
    "DataSettings",
    "EnergySettings",
    "EngineSettings",
    "FleetSettings",
    "MemorySettings",
    "PartitionKind",
    "PartitionSettings",
    "Scenario",
    "TraceSettings",
    "print_scenario",
    "read_scenario",
    "scenario_from_mapping",
]
