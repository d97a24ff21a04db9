"""What is to be emulated: a typed TOML file, or the same from Python."""

from fieldfare.emulator.scenario._fleet import (
    ConditionSettings,
    EnergySettings,
    FleetSettings,
    MemorySettings,
    TraceSettings,
)
from fieldfare.emulator.scenario._model import ModelSettings
from fieldfare.emulator.scenario._reading import (
    print_scenario,
    read_scenario,
    scenario_from_mapping,
    scenario_values,
)
from fieldfare.emulator.scenario._scenario import Scenario
from fieldfare.emulator.scenario._sections import (
    DataSettings,
    EngineSettings,
    PartitionKind,
    PartitionSettings,
)
from fieldfare.emulator.scenario._writing import scenario_toml

__all__ = [
    "ConditionSettings",
    "DataSettings",
    "EnergySettings",
    "EngineSettings",
    "FleetSettings",
    "MemorySettings",
    "ModelSettings",
    "PartitionKind",
    "PartitionSettings",
    "Scenario",
    "TraceSettings",
    "print_scenario",
    "read_scenario",
    "scenario_from_mapping",
    "scenario_toml",
    "scenario_values",
]
