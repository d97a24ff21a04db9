"""`Scenario`."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks import TaskSpec
from fieldfare.emulator.scenario._fleet import FleetSettings
from fieldfare.emulator.scenario._model import ModelSettings
from fieldfare.emulator.scenario._sections import DataSettings, EngineSettings, PartitionSettings

_LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of a scenario but its task.

    Attributes:
        plan: the plan that the devices train, from `fieldfare export`; a relative path is taken from the scenario's
            folder.
        seed: of everything that is drawn: partition, devices, selection, shuffling.
        longest: the emulated time after which the run ends, whatever it has reached.
        give_up_after: rounds in a row that were abandoned, after which the run is stopped: of a model that diverges no
            device reports any more.
        model: a Keras model in place of the plan.
        data: the examples.
        partition: how the examples are spread over the devices.
        fleet: what the devices are like.
        engine: what runs them.
    """

    plan: Path = Path("plan.tflite")
    seed: int = 1
    longest: timedelta = timedelta(days=30)
    give_up_after: int = 10
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    partition: PartitionSettings = field(default_factory=PartitionSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ConfigError("must be 0 to below 2**63", field="seed")
        if not timedelta(0) < self.longest <= _LONGEST:
            raise ConfigError("must be above 0 and at most 3650d", field="longest")
        if self.give_up_after < 1:
            raise ConfigError("must be at least 1", field="give_up_after")
        if self.partition.kind == "column" and self.data.column is None:
            raise ConfigError('the partition "column" needs the name of a column', field="data.column")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet, what it knows, and what it is asked to do.

    Attributes:
        settings: the fleet and its examples.
        task: as for `fieldfare task submit`.
    """

    settings: Settings
    task: TaskSpec
