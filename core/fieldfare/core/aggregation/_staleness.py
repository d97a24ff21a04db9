"""What a report is worth that began with an older checkpoint (Nguyen et al. 2022)."""

import math

from fieldfare.core.tasks import STALENESS_BITS


def staleness_weight(staleness: int, exponent: float) -> int:
    """`s(t) = (1 + t)^-a` as an integer: in units of `2^-STALENESS_BITS`, rounded to the nearest, 1 at the least.

    Nguyen et al. 2022, section 5, take a = 1/2. `FixedPointSum` takes integer weights, so an update counts for
    `update_weight * staleness_weight`. The larger weight makes the sum's quantum coarser by the same factor, so a
    weighted value keeps its relative precision; what is rounded is only s(t) itself, by at most 2^-9.

    Args:
        staleness: t, the number of checkpoints that were made since the one with which the device began; at least 0.
        exponent: a; 0 gives every report the same weight.
    """
    return max(1, round(math.pow(1 + staleness, -exponent) * (1 << STALENESS_BITS)))
