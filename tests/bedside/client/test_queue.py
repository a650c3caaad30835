"""The bounded queue: its bound, what is left out, and that alerts never are."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedside.client.events import ClientEvent, Condition, Event, Recovered
from bedside.client.queue import EventQueue
from vitals.events import EVENTS, EventName

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def event(number: int, name: str = EventName.PATIENT_VITALS_UPDATE, **data: Any) -> Event:
    """One whose `offset` tells it from others."""
    content: Any = data
    if name == EventName.PATIENT_VITALS_UPDATE:
        content = msgspec.convert({"patient_id": "p1", "timestamp": NOON, **data}, EVENTS[EventName(name)].data)
    return Event(event=name, type="t", event_id=str(number), room="r", data=content, timestamp=NOON, offset=number)


def alert(number: int) -> Event:
    return event(number, EventName.PATIENT_ALERT)


async def drained(queue: EventQueue) -> list[ClientEvent]:
    queue.end()
    events = []
    while (got := await queue.get()) is not None:
        events.append(got)
    return events


def told(events: list[ClientEvent]) -> list[tuple[int | None, int]]:
    return [(one.offset, one.skipped) for one in events if isinstance(one, Event)]


async def test_nothing_is_left_out_while_there_is_room():
    queue = EventQueue(10)
    for number in range(9):
        queue.put(event(number, heart_rate=number))
    assert told(await drained(queue)) == [(number, 0) for number in range(9)]


async def test_of_numerics_the_latest_stands_and_counts_those_it_stands_for():
    queue = EventQueue(3)
    for number in range(10):
        queue.put(event(number, heart_rate=number))
    assert told(await drained(queue)) == [(8, 8), (9, 0)]


async def test_what_the_hub_left_out_is_counted_too():
    queue = EventQueue(3)
    for number in range(3):
        queue.put(msgspec.structs.replace(event(number, heart_rate=number), skipped=5))
    assert told(await drained(queue)) == [(1, 11), (2, 5)]


async def test_other_parameters_are_other_numerics():
    queue = EventQueue(4)
    for number in range(3):
        queue.put(event(2 * number, heart_rate=number))
        queue.put(event(2 * number + 1, spo2=number))
    assert {number for number, _ in told(await drained(queue))} >= {4, 5}


@pytest.mark.parametrize("spot", [{"temperature": 37}, {"blood_pressure": {"systolic": 1, "diastolic": 1}}, {}])
async def test_spot_values_are_never_left_out(spot):
    queue = EventQueue(3)
    for number in range(10):
        queue.put(event(number, heart_rate=1, **spot) if spot else alert(number))
    assert told(await drained(queue)) == [(number, 0) for number in range(10)]


async def test_a_full_queue_lets_its_writer_wait_until_the_reader_has_made_room():
    queue = EventQueue(2)
    queue.put(alert(1))
    await asyncio.wait_for(queue.room(), 30)
    queue.put(alert(2))
    assert queue.is_full
    waiting = asyncio.create_task(queue.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.get()
    await asyncio.wait_for(waiting, 30)


async def test_of_the_roads_condition_the_latest_stands():
    queue = EventQueue(2)
    for upstream in ("redis_lost", "ingest_lost", "ok"):
        queue.put(Condition(time=NOON, upstream=upstream))
    assert [one.upstream for one in await drained(queue) if isinstance(one, Condition)] == ["ok"]


async def test_the_reader_is_told_of_an_error_after_all_that_came_before():
    queue = EventQueue(5)
    queue.put(alert(1))
    queue.end(ValueError("the end"))
    assert isinstance(await queue.get(), Event)
    with pytest.raises(ValueError, match="the end"):
        await queue.get()


KINDS = st.sampled_from(["heart", "oxygen", "alert", "cuff", "wave", "other"])


def made(kind: str, number: int) -> ClientEvent:
    match kind:
        case "heart":
            return event(number, heart_rate=number)
        case "oxygen":
            return event(number, spo2=number)
        case "cuff":
            return event(number, blood_pressure={"systolic": number, "diastolic": 1})
        case "wave":
            return event(number, "patient.waveform", signal="plethysmogram")
        case "alert":
            return alert(number)
    return Recovered(room="r", replayed=number)


@given(st.lists(st.tuples(KINDS, st.booleans()), max_size=80), st.integers(1, 6))
def test_whatever_comes_order_is_kept_alerts_all_come_and_each_message_is_had_or_counted(steps, size):
    """With a writer that stops while the queue is full, it never holds more than its size."""

    async def run() -> None:
        queue, read, put = EventQueue(size), [], []
        for number, (kind, reads) in enumerate(steps):
            while queue.is_full:
                read.append(await queue.get())
            put.append(made(kind, number))
            queue.put(put[-1])
            assert len(queue) <= size
            if reads and len(queue):
                read.append(await queue.get())
        read += await drained(queue)
        keys = [one.replayed if isinstance(one, Recovered) else one.offset for one in read]
        assert keys == sorted(keys)
        kept = {"alert", "cuff", "other"}
        assert {number for number, (kind, _) in enumerate(steps) if kind in kept} <= set(keys)
        assert len(keys) + sum(one.skipped for one in read if isinstance(one, Event)) == len(put)

    asyncio.run(run())
