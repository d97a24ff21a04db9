"""What an operator may set: one frozen dataclass for each section of the configuration.

A new setting is a field of its section, with its bounds in `__post_init__` and a line under `Attributes:`. That line is
its documentation: `fieldfare serve --print-config` writes it.
"""

from fieldfare.aggregator.settings._engine import EngineSettings
from fieldfare.aggregator.settings._limits import LimitSettings
from fieldfare.aggregator.settings._observability import ObservabilitySettings
from fieldfare.aggregator.settings._security import LONGEST_TOKEN, SecuritySettings
from fieldfare.aggregator.settings._server import ServerSettings
from fieldfare.aggregator.settings._storage import StorageSettings

__all__ = [
    "LONGEST_TOKEN",
    "EngineSettings",
    "LimitSettings",
    "ObservabilitySettings",
    "SecuritySettings",
    "ServerSettings",
    "StorageSettings",
]
