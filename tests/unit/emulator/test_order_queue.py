"""Orders that wait, are dropped, and come again."""

from datetime import UTC, datetime

from fieldfare.emulator.workers import TRIES, Order, OrderQueue


def order(number: int) -> Order:
    return Order(number, 0, bytes(16), datetime(2024, 1, 1, tzinfo=UTC), b"")


def test_the_smallest_priority_is_next() -> None:
    queue = OrderQueue()
    for number, priority in ((1, 5.0), (2, 3.0), (3, 5.0)):
        queue.put(order(number), priority)
    assert queue
    assert [queue.next(), queue.next(), queue.next(), queue.next()] == [order(2), order(1), order(3), None]
    assert not queue


def test_what_is_dropped_is_not_begun() -> None:
    queue = OrderQueue()
    queue.put(order(1), 1.0)
    queue.put(order(2), 2.0)
    queue.drop(1)
    assert queue.next() == order(2)
    queue.drop(2)
    assert not queue.is_wanted(2)


def test_a_lost_order_comes_first_a_bounded_number_of_times() -> None:
    queue = OrderQueue()
    queue.put(order(7), 0.5)
    for _ in range(TRIES - 1):
        assert queue.again(order(1))
        assert queue.next() == order(1)
    assert not queue.again(order(1))
    assert queue.next() == order(7)


def test_what_was_dropped_meanwhile_does_not_come_again() -> None:
    queue = OrderQueue()
    queue.drop(1)
    assert queue.again(order(1))
    assert queue.next() is None


def test_a_result_clears_what_was_lost_before() -> None:
    queue = OrderQueue()
    for _ in range(TRIES - 1):
        assert queue.again(order(1))
        assert queue.next() == order(1)
    assert queue.is_wanted(1)
    assert queue.again(order(1))


def test_an_order_that_was_not_begun_is_not_to_blame() -> None:
    queue = OrderQueue()
    for _ in range(2 * TRIES):
        assert queue.again(order(1), begun=False)
        assert queue.next() == order(1)
