"""How rounds are run."""

from dataclasses import dataclass
from datetime import timedelta

from fieldfare.aggregator.settings._checks import need, not_negative


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How rounds are run.

    Attributes:
        receipt_wait: how long a report waits for a snapshot before it is answered "pending".
        gather: how long a report waits for company before a snapshot is written, unless its round ends first. Writing a
            snapshot costs as much for one report as for a thousand. Up to half of `receipt_wait` where writing is slow.
        longest_wait: how long a check-in is held open while there is no work yet, and a question for a pending receipt;
            devices may ask for less.
        max_waiting: calls that are held open at the same time, of each of the two kinds. Devices beyond them are told
            when to come back. Each takes a few kilobytes.
        max_held_bytes: memory for the single updates that median, trimmed mean and Krum hold until the commit, over all
            tasks; what is beyond goes encrypted into a file without a name, under a key that is never written.
        keep_checkpoints: newest versions kept for each task beside version 0; 0 keeps all.
        keep_counted: how long ids of counted devices are kept; zero keeps them for ever. A device that asks later what
            became of its report is told that it is late. They are kept longer where a task needs them: for its report
            time limit, for `min_separation`, and for ever with SCAFFOLD.

    Raises:
        ConfigError: a field out of its bounds.
    """

    receipt_wait: timedelta = timedelta(seconds=1)
    gather: timedelta = timedelta(milliseconds=250)
    longest_wait: timedelta = timedelta(seconds=30)
    max_waiting: int = 4096
    max_held_bytes: int = 2**30
    keep_checkpoints: int = 0
    keep_counted: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        not_negative("engine", self, "receipt_wait", "gather", "longest_wait", "keep_counted")
        need(self.max_waiting >= 0, "engine", "max_waiting", "must be 0 (no call is held open) or more")
        need(self.max_held_bytes >= 0, "engine", "max_held_bytes", "must be 0 (all on disk) or more")
        need(self.keep_checkpoints >= 0, "engine", "keep_checkpoints", "must be 0 (all) or more")
