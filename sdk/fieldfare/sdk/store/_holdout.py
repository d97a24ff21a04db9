"""Which examples are held out for evaluation: drawn once, when an example comes in, and fixed from then on."""

import hashlib
from dataclasses import dataclass
from fractions import Fraction

from fieldfare.core.errors import ConfigError

_FINEST_SHARE = 10_000


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Exactly one example is held out of every `1 / share` that come in a row; which one, only the salt knows.

    Equal spacing would be as even, but a file that repeats its classes in a fixed order would then hold out the same
    few classes for ever.

    Attributes:
        share: 0 (none) to below 1.
        salt: random bytes of the store's own.
    """

    share: Fraction
    salt: bytes

    @classmethod
    def of(cls, share: float, salt: bytes) -> "HoldOut":
        """Check the share.

        Raises:
            ConfigError: not within [0, 1).
        """
        if not 0 <= share < 1:
            raise ConfigError("must be 0 to below 1", field="held_out_share")
        return cls(Fraction(share).limit_denominator(_FINEST_SHARE), salt)

    def is_held_out(self, position: int) -> bool:
        """Whether the example that came in as number `position` (from 0) is held out."""
        if self.share == 0:
            return False
        group = int(position * self.share)
        first, after = self._first(group), self._first(group + 1)
        digest = hashlib.sha256(self.salt + group.to_bytes(8, "little")).digest()
        return position == first + int.from_bytes(digest[:8], "little") % (after - first)

    def _first(self, group: int) -> int:
        """Smallest position in the group: ceil(group / share)."""
        return -(-group * self.share.denominator // self.share.numerator)
