"""The examples of a whole fleet, before they are spread over its devices."""

from fieldfare.emulator.data._loading import load_table, table_from_arrays
from fieldfare.emulator.data._table import Table
from fieldfare.emulator.data._wanted import Wanted

__all__ = ["Table", "Wanted", "load_table", "table_from_arrays"]
