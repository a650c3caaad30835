"""The newest entries in memory."""

from edge_agent.outbox import Kind, Row
from edge_agent.outbox.live import LiveQueue


def rows(*identities: int, size: int = 10) -> list[Row]:
    return [Row(id=identity, kind=Kind.READING, committed=identity, body=bytes(size)) for identity in identities]


def taken(queue: LiveQueue, *, entries: int = 99, size_bytes: int = 9999) -> list[int]:
    return [row.id for row in queue.take(entries=entries, size_bytes=size_bytes)]


def test_first_in_first_out():
    queue = LiveQueue(10)
    queue.extend(rows(1, 2))
    queue.extend(rows(3))
    assert taken(queue, entries=2) == [1, 2]
    assert taken(queue) == [3]


def test_the_oldest_leave_a_full_queue_and_are_below_the_floor():
    queue = LiveQueue(3)
    queue.extend(rows(1, 2, 3, 4, 5))
    assert queue.floor == 3
    assert taken(queue) == [3, 4, 5]


def test_the_floor_of_an_empty_queue_is_above_all_that_was_in_it():
    queue = LiveQueue(3)
    queue.extend(rows(7))
    taken(queue)
    assert queue.floor == 8


def test_what_is_too_old_is_left_to_the_backlog():
    queue = LiveQueue(9)
    queue.extend(rows(1, 2, 3))
    queue.leave_to_backlog(committed_before=3)
    assert (queue.floor, len(queue)) == (3, 1)


def test_a_batch_is_bounded_by_bytes_but_never_empty():
    queue = LiveQueue(9)
    queue.extend(rows(1, 2, 3, size=100))
    assert taken(queue, size_bytes=210) == [1, 2]
    assert taken(queue, size_bytes=5) == [3]


def test_it_is_available_exactly_while_it_holds_something():
    queue = LiveQueue(9)
    assert not queue.available.is_set()
    queue.extend(rows(1))
    assert queue.available.is_set()
    taken(queue)
    assert not queue.available.is_set()
