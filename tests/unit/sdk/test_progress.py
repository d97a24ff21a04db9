"""When a download counts as one that does not move any more."""

import pytest

from fieldfare.sdk.transport._progress import Progress

PIECE = 1 << 16


def test_what_moves_may_take_any_time() -> None:
    progress = Progress(120.0, 1000.0)
    for minute in range(1, 100):
        now = 1000.0 + 119.0 * minute
        assert not progress.stalled(now)
        progress.note(PIECE, now)


@pytest.mark.parametrize(("seconds", "stalled"), [(0.0, False), (119.9, False), (120.0, True)])
def test_nothing_for_a_window(seconds: float, stalled: bool) -> None:
    progress = Progress(120.0, 1000.0)
    progress.note(PIECE, 1500.0)
    assert progress.stalled(1500.0 + seconds) is stalled


def test_a_byte_now_and_then_is_no_move() -> None:
    progress = Progress(120.0, 0.0)
    for second in range(119):
        progress.note(100, float(second))
    assert progress.stalled(120.0)


def test_small_pieces_add_up() -> None:
    progress = Progress(120.0, 0.0)
    for second in range(100):
        progress.note(PIECE // 64, float(second))
    assert not progress.stalled(120.0)
    # The last time that 64 KiB were together was after 63 s.
    assert progress.stalled(183.0)
