"""What several replicas write about one round, and how it adds up."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fieldfare.aggregator.storage._errors import damage
from fieldfare.aggregator.storage._records import RoundRecord, SnapshotRecord
from fieldfare.core.aggregation import MetricTotals
from fieldfare.core.errors import StorageError
from fieldfare.core.rounds import RoundState
from fieldfare.core.tasks import TaskState

_SUMMED = ("assigned", "reported", "withdrawn", "refused", "examples", "bytes_up", "bytes_down", "late", "duplicates")


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One replica's snapshot of its part of a round.

    Attributes:
        replica: whose it is; a name is used once, for one process and one time of joining the round.
        snapshot: the sum.
        counts: the part's own counts, as `counts_of` gives them.
    """

    replica: str
    snapshot: SnapshotRecord
    counts: str


@dataclass(frozen=True, slots=True)
class ShareRecord:
    """What a replica holds in memory for a round, beyond its snapshot.

    Attributes:
        places: assignments that it may still hand out.
        working: devices at work.
        pending: devices whose report is in memory only.
        seen_at: when it said so; a replica that is silent for long is dead.
    """

    replica: str
    places: int
    working: int
    pending: frozenset[bytes]
    seen_at: datetime

    @property
    def held(self) -> int:
        """Places of the cohort that are taken by this replica and not yet in its snapshot."""
        return self.places + self.working + len(self.pending)


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round and its task as all replicas together have written them, at one moment.

    Attributes:
        newest: number of the task's newest round; 0 where it has none.
        round_state: None where the round is not there.
    """

    task_state: TaskState
    newest: int
    round_state: RoundState | None
    parts: tuple[PartRecord, ...]
    shares: tuple[ShareRecord, ...]


def counts_of(record: RoundRecord) -> str:
    """The counts of one part as JSON."""
    counts = {name: getattr(record, name) for name in _SUMMED}
    return json.dumps(counts | {"metrics": json.loads(record.metrics), "refusals": json.loads(record.refusals)})


def with_parts(record: RoundRecord, parts: Iterable[str]) -> RoundRecord:
    """The round's row: one part's record with the counts of others added.

    Raises:
        DamagedError: counts that `counts_of` has not written.
    """
    totals = Counter({name: getattr(record, name) for name in _SUMMED})
    refusals = Counter(json.loads(record.refusals))
    with damage():
        metrics = MetricTotals.from_json(record.metrics)
        for text in parts:
            try:
                found = json.loads(text)
                totals.update({name: int(found[name]) for name in _SUMMED})
                refusals.update(found["refusals"])
            except (ValueError, KeyError, TypeError) as error:
                raise StorageError(f"the counts of round {record.number} are damaged") from error
            metrics.merge(MetricTotals.from_json(json.dumps(found["metrics"])))
    counts: dict[str, Any] = dict(totals)
    sorted_refusals = json.dumps(dict(sorted(refusals.items())))
    return replace(record, metrics=metrics.to_json(), refusals=sorted_refusals, **counts)
