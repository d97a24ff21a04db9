"""How much a store keeps, and for how long; and what a clock that jumps may do to that."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fieldfare.core.errors import ConfigError

SETTLES = timedelta(days=1)
"""How long a clock must have gone on before anything is deleted because of what it says."""
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What a store keeps at most; the oldest examples go first. None is without limit.

    Attributes:
        max_examples: number of examples, held-out ones included; at least 1.
        max_bytes: bytes of their tensors, at least one example's. The file takes some 50 bytes more for each, and its
            log.
        max_age: an older example is given to nobody; its bytes go a day later, see `Look`.
    """

    max_examples: int | None = None
    max_bytes: int | None = None
    max_age: timedelta | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: not above zero.
        """
        for name in ("max_examples", "max_bytes"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigError("must be a whole number of at least 1, or None", field=name)
        if self.max_age is not None and self.max_age < timedelta(seconds=1):
            raise ConfigError("must be at least a second, or None", field="max_age")

    def examples_at_most(self, example_bytes: int) -> int | None:
        """How many examples of so many bytes fit.

        Raises:
            ConfigError: not even one.
        """
        if self.max_bytes is not None and self.max_bytes < example_bytes:
            raise ConfigError(f"one example alone has {example_bytes} bytes", field="max_bytes")
        by_bytes = None if self.max_bytes is None else self.max_bytes // max(1, example_bytes)
        found = [one for one in (self.max_examples, by_bytes) if one is not None]
        return min(found) if found else None

    def oldest(self, now: int) -> int:
        """The earliest time, in microseconds, that is not over age at `now`; as early as can be without a limit."""
        return -(2**62) if self.max_age is None else now - self.max_age // _MICROSECOND


def limits_to_bytes(limits: StoreLimits) -> bytes:
    """As the store keeps them."""
    fields: dict[str, Any] = asdict(limits)
    fields["max_age"] = None if limits.max_age is None else limits.max_age // _MICROSECOND
    return json.dumps(fields).encode()


def limits_from_bytes(content: bytes) -> StoreLimits:
    """The inverse.

    Raises:
        ValueError, TypeError, ConfigError: damaged.
    """
    fields = json.loads(content)
    age = fields.pop("max_age")
    return StoreLimits(**fields, max_age=None if age is None else age * _MICROSECOND)


def micros(time: datetime) -> int:
    """Microseconds since 1970 of a timezone-aware time."""
    return (time - _EPOCH) // _MICROSECOND


def moment(micros_since_1970: int) -> datetime:
    """The inverse, in UTC."""
    return _EPOCH + micros_since_1970 * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the clock allows.

    A device's clock may be wrong for a while: no battery keeps it, a person changes it, a server corrects it. So age
    deletes only what was over age at an earlier look, at least a day ago by the same clock, and only if the clock was
    never seen to be earlier than at that look since. Until then such examples are kept back, not deleted: they are
    there again once the clock is put right.

    Attributes:
        mark: the look to remember, in microseconds since 1970.
        settled: the earlier look that may now be acted upon; None where there is none.
    """

    mark: int
    settled: int | None = None


def look(mark: int | None, now: int) -> Look:
    """Look at the clock.

    Args:
        mark: what the last `Look` said to remember; None at the first one.
        now: microseconds since 1970.
    """
    if mark is None or now < mark:
        return Look(now)
    if now - mark < SETTLES // _MICROSECOND:
        return Look(mark)
    return Look(now, mark)
