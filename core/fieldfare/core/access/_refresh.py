"""When a signed refresh is taken: near the present, and later than the one before, so that none works twice."""

from datetime import UTC, datetime, timedelta

from fieldfare.core.errors import AuthenticationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_refresh(time_micros: int, *, last_micros: int, now: datetime, window: timedelta) -> None:
    """Refuse a refresh that is too old, too new, or not later than the last one.

    Args:
        time_micros: what the device signed.
        last_micros: of its last refresh that was taken; 0 before the first.
        now: by the aggregator's clock.
        window: how far the two clocks may be apart.

    Raises:
        AuthenticationError: it is refused.
    """
    seconds = ((now - _EPOCH) // timedelta(microseconds=1) - time_micros) / 1e6
    if abs(seconds) > window.total_seconds():
        side = "behind" if seconds > 0 else "ahead"
        raise AuthenticationError(
            f"the device's clock is {abs(seconds):.0f} s {side}: sign the aggregator's time instead, which comes with "
            "this answer"
        )
    if time_micros <= last_micros:
        raise AuthenticationError("this refresh was made before, or an older one: sign a later time")
