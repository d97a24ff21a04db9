"""Deadlines beside a plain dict that looks at everybody."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fieldfare.core.rounds._deadlines import Deadlines

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
devices = st.integers(0, 5).map(lambda number: bytes([number]))
moments = st.integers(0, 20).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
steps = st.one_of(
    st.tuples(st.just("set"), devices, moments),
    st.tuples(st.just("take"), devices, moments),
    st.tuples(st.just("expire"), devices, moments),
    st.tuples(st.just("clear"), devices, moments),
)


@given(st.lists(steps, max_size=60))
def test_it_is_a_dict_that_knows_its_earliest(taken: list[tuple[str, bytes, datetime]]) -> None:
    found, plain = Deadlines(), dict[bytes, datetime]()
    for what, device, moment in taken:
        if what == "set":
            found[device] = plain[device] = moment
        elif what == "take":
            assert found.pop(device, None) == plain.pop(device, None)
        elif what == "expire":
            found.expire(moment)
            plain = {one: deadline for one, deadline in plain.items() if deadline > moment}
        else:
            found.clear()
            plain.clear()
        assert dict(found) == plain
        assert len(found) == len(plain)
        assert found.earliest() == min(plain.values(), default=None)


def test_a_device_that_comes_again_and_again_takes_no_more_room() -> None:
    found = Deadlines({b"a": BEGIN})
    for second in range(10_000):
        found[b"b"] = BEGIN + timedelta(seconds=second)
    assert len(found._heap) < 200
    assert found.earliest() == BEGIN
    assert found[b"b"] == BEGIN + timedelta(seconds=9_999)
