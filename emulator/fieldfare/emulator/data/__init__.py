"""The examples of a whole fleet, before they are spread over its devices."""

from fieldfare.emulator.data._loading import Table, load_table

__all__ = ["Table", "load_table"]
