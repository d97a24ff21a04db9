"""What an operator may set. Every field has a default that suits one machine."""

from dataclasses import dataclass, field

from fieldfare.aggregator.settings._engine import EngineSettings
from fieldfare.aggregator.settings._limits import LimitSettings
from fieldfare.aggregator.settings._security import SecuritySettings
from fieldfare.aggregator.settings._storage import StorageSettings
from fieldfare.core.rounds import PaceSettings


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """All settings of an aggregator, one section for each concern; in TOML a section is a table.

    Attributes:
        pace: when devices that have nothing to do come back.
        limits: bounds on sizes, times and concurrency of calls.
        engine: how rounds are run.
        storage: where state is kept, and what happens when it cannot be written.
        security: who may call, and what protects the calls.
    """

    pace: PaceSettings = field(default_factory=PaceSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
