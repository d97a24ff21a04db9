"""The device's own record of every message that left it, for its owner to read."""

from fieldfare.sdk.ledger._entries import NOT_PROTECTED, FoldedEntries, LedgerEntry, LedgerKind, Total
from fieldfare.sdk.ledger._ledger import Ledger
from fieldfare.sdk.ledger._query import LedgerQuery, LedgerSummary

__all__ = [
    "NOT_PROTECTED",
    "FoldedEntries",
    "Ledger",
    "LedgerEntry",
    "LedgerKind",
    "LedgerQuery",
    "LedgerSummary",
    "Total",
]
