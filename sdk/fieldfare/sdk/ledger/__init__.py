"""The device's own record of every message that left it, for its owner to read."""

from fieldfare.sdk.ledger._ledger import Ledger, LedgerEntry, LedgerKind, Total

__all__ = ["Ledger", "LedgerEntry", "LedgerKind", "Total"]
