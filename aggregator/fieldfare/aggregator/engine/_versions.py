"""How old the checkpoint of an assignment is, for buffered-asynchronous tasks."""

from collections.abc import Iterable

from fieldfare.aggregator.storage import RoundRecord
from fieldfare.core.aggregation import staleness_weight
from fieldfare.core.rounds import Ticket
from fieldfare.core.tasks import Algorithm, NextRound, TaskSpec


class Versions:
    """The checkpoint versions of a task's last rounds.

    Args:
        spec: of the task; nothing is kept unless it is FEDBUFF.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self._asynchronous = spec.aggregation.algorithm is Algorithm.FEDBUFF
        self._spec = spec.asynchronous
        self._given: dict[int, int] = {}

    @property
    def rounds_back(self) -> int:
        """So many of the last rounds hold every assignment that still counts, unless evaluations were abandoned."""
        return 2 * self._spec.max_staleness + 2 if self._asynchronous else 0

    def reaches(self, record: RoundRecord) -> bool:
        """Whether nothing from before this round still counts."""
        return record.checkpoint_version < self._oldest

    @property
    def checkpoints_back(self) -> int:
        """So many of the last checkpoints are with devices whose report still counts."""
        return self._spec.max_staleness + 1 if self._asynchronous else 0

    def counts_later(self, ticket: Ticket) -> bool:
        """Whether the ticket's report may count into a later round than its own."""
        return self._asynchronous and ticket.kind == NextRound.TRAINING.value

    def begin(self, records: Iterable[RoundRecord]) -> None:
        """These rounds have begun; those that are too old are forgotten."""
        if not self._asynchronous:
            return
        self._given |= {one.number: one.checkpoint_version for one in records if one.kind is NextRound.TRAINING}
        self._given = {number: version for number, version in self._given.items() if version >= self._oldest}

    @property
    def _oldest(self) -> int:
        """The oldest checkpoint that still counts. Safe: numbers of rounds do not tell, since some are abandoned."""
        return max(self._given.values(), default=0) - self._spec.max_staleness

    def staleness(self, number: int, version: int) -> int | None:
        """Checkpoints between the assignment's and `version`; None where a report is too stale to count.

        Args:
            number: the round of the assignment.
            version: the checkpoint that is given to devices now.
        """
        given = self._given.get(number)
        stale = None if given is None else version - given
        return stale if stale is not None and stale <= self._spec.max_staleness else None

    def factor(self, number: int, version: int) -> int:
        """What multiplies the weight of a report of that round; 1 where staleness is none of the task's concern."""
        if not self._asynchronous:
            return 1
        stale = self.staleness(number, version)
        # Safe: who is too stale has been turned away; a commit in between weighs it as the oldest that counts.
        return staleness_weight(self._spec.max_staleness if stale is None else stale, self._spec.staleness_exponent)
