"""The examples of a whole fleet, before they are spread over its devices."""

from fieldfare.emulator.data._loading import load_table, table_from_arrays
from fieldfare.emulator.data._table import Table

__all__ = ["Table", "load_table", "table_from_arrays"]
