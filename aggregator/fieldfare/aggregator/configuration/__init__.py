"""The aggregator's configuration file: typed TOML that refuses what it does not know."""

from fieldfare.aggregator.configuration._configuration import Configuration, Key, keys, read_configuration
from fieldfare.aggregator.configuration._printing import documentation, print_configuration
from fieldfare.aggregator.configuration._values import from_toml

__all__ = ["Configuration", "Key", "documentation", "from_toml", "keys", "print_configuration", "read_configuration"]
