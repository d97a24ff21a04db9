"""Token buckets, one for each caller, in bounded memory."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from fieldfare.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may happen.

    Attributes:
        per_second: in the long run.
        burst: so many at once after a rest; at least 1.

    Raises:
        ConfigError: a rate that is not positive, a burst below 1.
    """

    per_second: float
    burst: int

    def __post_init__(self) -> None:
        if not 0 < self.per_second < float("inf"):
            raise ConfigError("must be a positive number", field="per_second")
        if self.burst < 1:
            raise ConfigError("must be at least 1", field="burst")


class RateLimiter:
    """A token bucket for each key, kept as the one moment at which it would be full again (GCRA, ITU-T I.371).

    Above `most_keys` the key that was used longest ago is forgotten, and so begins with a full bucket.

    Args:
        rate: of each bucket.
        most_keys: bound on memory.
    """

    def __init__(self, rate: Rate, most_keys: int = 65_536) -> None:
        self._interval = 1.0 / rate.per_second
        self._slack = self._interval * (rate.burst - 1)
        self._most = most_keys
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable, now: float) -> float:
        """Take a token.

        Args:
            key: whose.
            now: seconds on a clock that never goes back.

        Returns:
            0 where there was one; else the seconds until there is one, and nothing was taken.
        """
        wait = self.wait(key, now)
        if wait <= 0:
            self._full_at[key] = max(self._full_at.get(key, now), now) + self._interval
            self._full_at.move_to_end(key)
            if len(self._full_at) > self._most:
                self._full_at.popitem(last=False)
        return max(wait, 0.0)

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds until there is a token; 0 or less where there is one now. Nothing is taken."""
        return self._full_at.get(key, now) - now - self._slack
