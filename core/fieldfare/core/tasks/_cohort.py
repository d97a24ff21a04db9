"""`CohortSpec`: who takes part in a round, and for how long it waits."""

import math
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from fieldfare.core.errors import ConfigError
from fieldfare.core.tasks._fields import need, optional
from fieldfare.protos.v1 import task_pb2

MAX_COHORT = 100_000


@dataclass(frozen=True, slots=True)
class CohortSpec:
    """Who takes part in a round, and for how long it waits.

    Attributes:
        goal_count: reports wanted; the round closes when they are in.
        minimum: fewest reports with which the round commits.
        over_selection: devices asked = `goal_count` times this, rounded up (Bonawitz et al. 2019, section 4.3).
        selection_timeout: the round is abandoned when fewer than `minimum` devices were found by then.
        report_timeout: time that a device has from its assignment to its report.
    """

    goal_count: int = 10
    minimum: int = 5
    over_selection: float = 1.3
    selection_timeout: timedelta = timedelta(minutes=10)
    report_timeout: timedelta = timedelta(minutes=10)

    @property
    def asked(self) -> int:
        """Devices that are handed an assignment."""
        return math.ceil(self.goal_count * self.over_selection - 1e-9)

    def check(self, name: str) -> None:
        """Raise `ConfigError` for the first field out of its bounds; `name` is the dotted prefix."""
        need(1 <= self.goal_count <= MAX_COHORT, f"{name}.goal_count", f"must be 1 to {MAX_COHORT}")
        need(1 <= self.minimum <= self.goal_count, f"{name}.minimum", "must be 1 to goal_count")
        need(1 <= self.over_selection <= 10, f"{name}.over_selection", "must be 1 to 10")  # noqa: PLR2004
        for key in ("selection_timeout", "report_timeout"):
            within = timedelta(0) < getattr(self, key) <= timedelta(days=7)
            need(within, f"{name}.{key}", 'must be a positive duration of at most 7 days, such as "90s"')

    def to_proto(self) -> task_pb2.CohortSpec:
        """The wire form with every default written out."""
        return task_pb2.CohortSpec(
            goal_count=self.goal_count,
            minimum=self.minimum,
            over_selection=self.over_selection,
            selection_timeout=_duration(self.selection_timeout),
            report_timeout=_duration(self.report_timeout),
        )

    @classmethod
    def from_proto(cls, proto: task_pb2.CohortSpec, defaults: "CohortSpec", name: str) -> "CohortSpec":
        """Read the wire form; absent fields are those of `defaults`, the minimum follows the goal.

        Raises:
            ConfigError: a time limit that is none. Does not check bounds.
        """
        goal_count = optional(proto, "goal_count", defaults.goal_count)
        return cls(
            goal_count=goal_count,
            minimum=optional(proto, "minimum", min(goal_count, max(2, (goal_count + 1) // 2))),
            over_selection=optional(proto, "over_selection", defaults.over_selection),
            selection_timeout=_time_limit(proto, "selection_timeout", defaults.selection_timeout, name),
            report_timeout=_time_limit(proto, "report_timeout", defaults.report_timeout, name),
        )


def _duration(value: timedelta) -> Duration:
    """A timedelta on the wire."""
    proto = Duration()
    proto.FromTimedelta(value)
    return proto


def _time_limit(proto: task_pb2.CohortSpec, key: str, default: timedelta, name: str) -> timedelta:
    if not proto.HasField(key):
        return default
    try:
        limit: timedelta = getattr(proto, key).ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"cannot be read: {error}", field=f"{name}.{key}") from error
    return limit
