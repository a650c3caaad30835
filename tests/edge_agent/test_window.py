"""Batches on their way: bounds and timers."""

from edge_agent.outbox import Kind, Row
from edge_agent.window import BACKLOG_BATCHES, BATCHES, RESEND_MOST_SECONDS, Flight, Window
from vitals.envelope import Lane
from vitals.topics import Channel


def flight(*sequences: int, lane: Lane = Lane.LIVE, epoch: str = "e1") -> Flight:
    rows = {number: Row(id=number, kind=Kind.READING, committed=0, body=b"{}") for number in sequences}
    return Flight(channel=Channel.READINGS, lane=lane, epoch=epoch, rows=rows)


def test_at_most_64_batches_are_on_their_way():
    window = Window()
    for number in range(1, BATCHES + 1):
        assert window.has_room(Lane.LIVE)
        window.add(flight(number))
    assert not window.has_room(Lane.LIVE)
    window.decide("e1", [(7, 7)])
    assert window.has_room(Lane.LIVE)


def test_the_backlog_leaves_room_for_the_live_lane():
    window = Window()
    for number in range(1, BACKLOG_BATCHES + 1):
        assert window.has_room(Lane.BACKLOG)
        window.add(flight(number, lane=Lane.BACKLOG))
    assert not window.has_room(Lane.BACKLOG)
    assert window.has_room(Lane.LIVE)


def test_each_batch_is_due_five_seconds_after_its_own_last_sending():
    """Delivery rule 4."""
    window = Window()
    first, second = flight(1), flight(2)
    for one, sent in ((first, 0.0), (second, 3.0)):
        window.add(one)
        one.sent(sent)
    assert window.due(4.9) == []
    window.decide("e1", [(2, 2)])  # progress of another batch
    assert window.next_due() == 5.0
    assert window.due(5.0) == [first]


def test_a_batch_is_resent_ever_later_up_to_a_minute():
    """Delivery rule 4."""
    one, waits, now = flight(1), [], 0.0
    for _ in range(6):
        one.sent(now)
        waits.append(one.due_at - now)
        now = one.due_at
    assert waits == [5, 10, 20, 40, RESEND_MOST_SECONDS, RESEND_MOST_SECONDS]


def test_a_batch_decided_in_part_is_resent_without_that_part():
    window = Window()
    one = flight(1, 2, 3, 4)
    window.add(one)
    assert window.decide("e1", [(2, 3)]) == 2
    assert list(one.rows) == [1, 4]


def test_an_acknowledgement_of_another_epoch_decides_nothing():
    window = Window()
    window.add(flight(1))
    assert window.decide("e2", [(1, 1)]) == 0
    assert window.flights


def test_a_row_is_held_until_it_is_decided():
    window = Window()
    one = flight(1, 2)
    first, second = one.rows.values()
    window.add(one)
    window.decide("e1", [(1, 1)])
    assert not window.holds(first)
    assert window.holds(second)
    window.clear()
    assert not window.holds(second)
