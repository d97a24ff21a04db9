"""What an operator may set. Every field has a default that suits one machine."""

from dataclasses import dataclass, field

from fieldfare.aggregator.settings._checks import need, positive
from fieldfare.aggregator.settings._engine import EngineSettings
from fieldfare.aggregator.settings._limits import LimitSettings
from fieldfare.aggregator.settings._observability import ObservabilitySettings
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
        observability: logs, metrics, traces and health.

    Raises:
        ConfigError: a pace that cannot be kept.
    """

    pace: PaceSettings = field(default_factory=PaceSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    observability: ObservabilitySettings = field(default_factory=ObservabilitySettings)

    def __post_init__(self) -> None:
        positive("pace", self.pace, "shortest")
        need(self.pace.shortest <= self.pace.longest, "pace", "longest", "must not be below pace.shortest")
        need(self.pace.check_ins_per_s > 0, "pace", "check_ins_per_s", "must be above 0")
