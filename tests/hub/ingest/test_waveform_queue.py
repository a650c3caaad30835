"""The queue between the broker's thread and the loop: bounded, fair, the oldest dropped."""

from itertools import count

from hub.ingest.waveform_queue import GATEWAY_BYTES, QUEUE_BYTES, WaveformQueue

KILOBYTE = 1024


def payload(number: int) -> bytes:
    return b"%08d" % number + bytes(KILOBYTE - 8)


def number_of(taken: tuple[str, bytes]) -> int:
    return int(taken[1][:8])


def test_only_the_first_message_wakes_the_loop():
    queue = WaveformQueue()
    assert [queue.put("a", payload(n)) for n in range(3)] == [True, False, False]
    assert len(queue.take(QUEUE_BYTES)) == 3
    assert queue.put("a", payload(4))


def test_a_gateway_that_floods_loses_its_own_oldest_and_nobody_elses():
    queue = WaveformQueue()
    queue.put("quiet", payload(0))
    for n in range(3000):
        queue.put("loud", payload(n))
    room = GATEWAY_BYTES // KILOBYTE
    taken = queue.take(QUEUE_BYTES)
    assert ("quiet", payload(0)) in taken
    assert [number_of(one) for one in taken if one[0] == "loud"] == list(range(3000 - room, 3000))
    assert (queue.dropped(), queue.dropped()) == (3000 - room, 0)


def test_the_whole_is_bounded_however_many_topics_there_are():
    queue = WaveformQueue()
    numbers = count()
    for topic in range(100):
        for _ in range(200):
            queue.put(f"gw-{topic}", payload(next(numbers)))
    held = queue.take(QUEUE_BYTES * 2)
    assert len(held) * KILOBYTE <= QUEUE_BYTES
    assert queue.dropped() == 20_000 - len(held)


def test_gateways_are_taken_in_turn_up_to_the_bytes_asked_for():
    queue = WaveformQueue()
    for topic in ("a", "b"):
        for n in range(3):
            queue.put(topic, payload(n))
    assert [(topic, int(body[:8])) for topic, body in queue.take(3 * KILOBYTE)] == [("a", 0), ("b", 0), ("a", 1)]
    assert len(queue.take(1)) == 1
    assert len(queue.take(QUEUE_BYTES)) == 2
    assert queue.take(QUEUE_BYTES) == []


def test_a_message_beyond_all_bounds_is_dropped():
    queue = WaveformQueue()
    queue.put("a", bytes(GATEWAY_BYTES + 1))
    assert (queue.take(QUEUE_BYTES), queue.dropped()) == ([], 1)
