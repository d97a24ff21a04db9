"""What the ledger tells: its rows, summaries of old rows, and totals."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Self

NOT_PROTECTED = "none"
"""`LedgerEntry.privacy` where nothing hid the values of a message that was computed from examples."""


class LedgerKind(Enum):
    """What kind of message left the device."""

    CHECK_IN = "check_in"
    """The device's id, its population and its capabilities."""
    ENROLL = "enroll"
    """A one-time key, the device's id and its public key."""
    TOKEN = "token"  # noqa: S105 - the name of a kind
    """The device's id and the time, signed: asks for an access token."""
    FETCH = "fetch"
    """A request for a plan or checkpoint."""
    UPDATE = "update"
    """A weight delta or gradient, with its metrics."""
    METRICS = "metrics"
    """The metrics of an evaluation."""
    WITHDRAWAL = "withdrawal"
    """That the device gave up, and why as one of four codes."""
    RECEIPT = "receipt"
    """The question what became of a report."""
    SEAL = "seal"
    """No message: from this row on, older rows stand in summaries, and its digest covers those."""

    @property
    def is_computed(self) -> bool:
        """Whether messages of this kind hold values that were computed from examples."""
        return self in {LedgerKind.UPDATE, LedgerKind.METRICS}


FOLDABLE = (LedgerKind.CHECK_IN, LedgerKind.TOKEN, LedgerKind.FETCH, LedgerKind.RECEIPT, LedgerKind.SEAL)
"""Rows that are put together once they are old: nothing in their messages was computed from examples."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One row.

    Attributes:
        number: counts from 1 without gaps, but for rows that stand in summaries.
        time: UTC, when the message was about to leave.
        task: the task's id; empty for a check-in.
        round_number: the task's round; 0 for a check-in.
        kind: what it was.
        size_bytes: size of the serialised messages; what HTTP/2 and TLS add is not in it.
        update_norm: Euclidean norm of an update; None for anything else.
        encoding: names of an update's encoding stages joined by "+"; of a seal the SHA-256 over all summaries in
            hexadecimal digits; empty for anything else.
        privacy: the mechanism that hid values computed from examples; "none" where there was none; empty where nothing
            in the message was computed from examples.
        digest: SHA-256 over the row before it and this one's fields.
    """

    number: int
    time: datetime
    task: str
    round_number: int
    kind: LedgerKind
    size_bytes: int
    update_norm: float | None
    encoding: str
    privacy: str
    digest: bytes

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Self:
        """A row of the table.

        Raises:
            TypeError, ValueError: damaged.
        """
        number, time, task, round_number, kind_name, size_bytes, norm, encoding, privacy, digest = row
        kind = LedgerKind(kind_name)
        if privacy is None:
            # Safe: the versions that wrote no mechanism had none.
            privacy = NOT_PROTECTED if kind.is_computed else ""
        stamp = datetime.fromisoformat(time)
        return cls(number, stamp, task, round_number, kind, size_bytes, norm, encoding, privacy, digest)


@dataclass(frozen=True, slots=True)
class Total:
    """Messages of one kind, and their bytes."""

    messages: int
    size_bytes: int

    def __add__(self, other: "Total") -> "Total":
        return Total(self.messages + other.messages, self.size_bytes + other.size_bytes)


@dataclass(frozen=True, slots=True)
class FoldedEntries:
    """Old rows of one month that stand in a summary: neighbours, of kinds that tell nothing of examples.

    Attributes:
        first: number of the first row.
        last: number of the last one.
        since: the earliest time of a message among them; UTC.
        until: the latest.
        totals: kind and task to how many there were, and their bytes.
        before: digest of the row before the first.
        digest: digest of the last row.
    """

    first: int
    last: int
    since: datetime
    until: datetime
    totals: Mapping[tuple[LedgerKind, str], Total]
    before: bytes
    digest: bytes

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Self:
        """A row of the table.

        Raises:
            TypeError, ValueError: damaged.
        """
        first, last, since, until, listed, before, digest = row
        totals = {
            (LedgerKind(kind), str(task)): Total(int(messages), int(size))
            for kind, task, messages, size in json.loads(listed)
        }
        return cls(first, last, datetime.fromisoformat(since), datetime.fromisoformat(until), totals, before, digest)

    def to_row(self) -> tuple[Any, ...]:
        """The inverse."""
        listed = sorted(
            (kind.value, task, total.messages, total.size_bytes) for (kind, task), total in self.totals.items()
        )
        times = self.since.isoformat(), self.until.isoformat()
        return (self.first, self.last, *times, json.dumps(listed), self.before, self.digest)


def row_digest(before: bytes, row: tuple[Any, ...]) -> bytes:
    """Digest of a table's row, its last column (the digest) left out.

    Rows of the first version have no privacy column: their digest is over the columns before it.
    """
    fields = row[:9] if row[8] is not None else row[:8]
    # Safe: JSON writes a float so that it reads back the same, and quotes what could be mistaken for a separator.
    return hashlib.sha256(before + json.dumps(fields, default=repr).encode()).digest()


def seal_of(folds: Iterable[tuple[Any, ...]]) -> str:
    """What a seal says of all summaries, oldest first: their SHA-256 in hexadecimal digits."""
    whole = hashlib.sha256()
    for row in folds:
        fields = [one.hex() if isinstance(one, bytes) else one for one in row]
        whole.update(json.dumps(fields, default=repr).encode() + b"\n")
    return whole.hexdigest()
