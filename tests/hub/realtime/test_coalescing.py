"""Numerics that wait: the latest of each parameter, in order, with an account of what was left out. On a clock that the test moves."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.realtime.coalescing import Coalescer
from hub.realtime.frames import Frame
from hub.rooms.messages import Message
from vitals.events import EventName

ROOM = "patient:p1:vitals"


class Clock(asyncio.AbstractEventLoop):
    """The two methods of an event loop that a coalescer uses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def call_at(self, when: float, callback: Callable, *args: object, context=None) -> asyncio.TimerHandle:
        self.timers.append(asyncio.TimerHandle(when, callback, args, self, context))
        return self.timers[-1]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers.remove(handle)

    def pass_to(self, now: float) -> None:
        self.now = now
        for timer in [timer for timer in self.timers if timer.when() <= now]:
            self.timers.remove(timer)
            timer._run()


class Client:
    """A coalescer, and what it sent."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[int, int]] = []
        self.frames: list[Frame] = []
        self.replaced = 0
        self.coalescer = Coalescer(self._send, self._count, self.clock)

    def _send(self, frame: Frame, skipped: int) -> None:
        self.sent.append((frame.message.offset, skipped))
        self.frames.append(frame)

    def _count(self, messages: int) -> None:
        self.replaced += messages

    def offer(self, *offsets: int, **about: object) -> None:
        for offset in offsets:
            self.coalescer.offer(frame(offset, **about))


def frame(
    offset: int,
    *,
    room: str = ROOM,
    patient: str = "p1",
    event: EventName = EventName.PATIENT_VITALS_UPDATE,
    members: str = "",
    epoch: str = "e1",
    **vitals: object,
) -> Frame:
    data = {"patient_id": patient, **(vitals or {"heart_rate": 60 + offset})}
    return Frame(
        Message(
            room=room,
            record_epoch=1,
            epoch=epoch,
            offset=offset,
            n=offset,
            event=event,
            members=b'"event_id":"x"' + members.encode(),
            data=msgspec.json.encode(data),
        )
    )


SPOT = {"temperature": 37.2}
ALERT = {"event": EventName.PATIENT_ALERT, "message": "m"}


def test_everything_is_sent_at_once_to_a_client_that_keeps_up():
    client = Client()
    client.offer(1, 2, 3)
    assert client.sent == [(1, 0), (2, 0), (3, 0)]
    assert client.coalescer.idle


def test_a_client_that_is_behind_gets_the_latest_when_it_has_caught_up():
    client = Client()
    client.offer(1)
    client.coalescer.behind = True
    client.offer(2, 3, 4)
    assert client.sent == [(1, 0)]
    client.coalescer.catch_up()
    assert client.sent == [(1, 0), (4, 2)]
    assert client.replaced == 2
    assert client.coalescer.idle


@pytest.mark.parametrize(
    "about",
    [
        SPOT,
        {"heart_rate": 70, "blood_pressure": {"systolic": 1, "diastolic": 1}},
        {"weight": 70},
        {"glucose": 5},
        ALERT,
        {"event": EventName.DEVICE_ALERT},
        {"event": EventName.DEVICE_DATA_UPDATE, "data_type": "spo2"},
    ],
)
def test_spot_values_alerts_and_other_events_never_wait_and_come_after_what_does(about: dict):
    client = Client()
    client.coalescer.behind = True
    client.offer(1, 2)
    client.offer(3, **about)
    client.offer(4)
    assert client.sent == [(2, 1), (3, 0)]
    client.coalescer.catch_up()
    assert [offset for offset, _ in client.sent] == [2, 3, 4]


@pytest.mark.parametrize(
    "other",
    [
        {"patient": "p2"},
        {"spo2": 97},
        {"heart_rate": 60, "spo2": 97},
        {"heart_rate": 60, "device_id": "another"},
        {"heart_rate": 60, "source": "pulse"},
        {"members": ',"late":true'},
        {"members": ',"test":true'},
    ],
)
def test_nothing_takes_the_place_of_another_patients_parameters_or_moment(other: dict):
    client = Client()
    client.coalescer.behind = True
    client.offer(1)
    client.offer(2, **other)
    client.coalescer.catch_up()
    assert client.sent == [(1, 0), (2, 0)]


def test_a_rate_lets_the_first_through_and_then_the_latest_of_each_interval():
    client = Client()
    client.coalescer.limit(ROOM, 2)
    client.offer(1, 2, 3)
    assert client.sent == [(1, 0)]
    client.clock.pass_to(0.49)
    assert client.sent == [(1, 0)]
    client.clock.pass_to(0.5)
    assert client.sent == [(1, 0), (3, 1)]
    client.offer(4)
    client.clock.pass_to(0.9)
    assert client.sent[2:] == []
    client.clock.pass_to(1.0)
    assert client.sent[2:] == [(4, 0)]
    client.clock.pass_to(5.0)
    client.offer(5)
    assert client.sent[3:] == [(5, 0)]


def test_a_rate_counts_for_its_room_alone():
    client = Client()
    client.coalescer.limit(ROOM, 1)
    client.offer(1, 2)
    client.offer(1, 2, 3, room="patient:p2:vitals")
    assert client.sent == [(1, 0), (1, 0), (2, 0), (3, 0)]


def test_a_client_that_is_behind_waits_beyond_its_rate():
    client = Client()
    client.coalescer.limit(ROOM, 1)
    client.offer(1, 2)
    client.coalescer.behind = True
    client.clock.pass_to(1.0)
    assert client.sent == [(1, 0)]
    client.coalescer.catch_up()
    assert client.sent == [(1, 0), (2, 0)]


def test_a_new_epoch_begins_a_new_account():
    client = Client()
    client.coalescer.behind = True
    client.offer(7, 8)
    client.coalescer.release(ROOM)
    client.offer(1, 2, epoch="e2")
    client.coalescer.catch_up()
    assert client.sent == [(8, 1), (2, 1)]


def test_a_room_that_was_left_sends_nothing_later():
    client = Client()
    client.coalescer.limit(ROOM, 1)
    client.offer(1, 2)
    client.coalescer.forget(ROOM)
    client.clock.pass_to(10.0)
    assert client.sent == [(1, 0)]
    assert client.clock.timers == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(["heart_rate", "spo2"])),
        st.just(("spot",)),
        st.just(("alert",)),
        st.just(("behind",)),
        st.just(("caught up",)),
        st.tuples(st.just("wait"), st.floats(0.1, 2)),
    ),
    max_size=60,
)


@given(STEPS, st.none() | st.floats(0.5, 10))
def test_a_room_is_in_order_accounted_for_and_ends_with_the_latest_of_everything(steps: list, max_rate: float | None):
    client = Client()
    client.coalescer.limit(ROOM, max_rate)
    offset, latest, never_skipped = 0, {}, []
    for step in steps:
        if step[0] in ("offer", "spot", "alert"):
            offset += 1
        match step:
            case ("offer", patient, vital):
                client.offer(offset, patient=patient, **{vital: offset})
                latest[patient, vital] = offset
            case ("spot",):
                client.offer(offset, **SPOT)
                never_skipped.append(offset)
            case ("alert",):
                client.offer(offset, **ALERT)
                never_skipped.append(offset)
            case ("behind",):
                client.coalescer.behind = True
            case ("caught up",):
                client.coalescer.catch_up()
            case ("wait", seconds):
                client.clock.pass_to(client.clock.now + seconds)
        held = [frame.size for room in client.coalescer._rooms.values() for frame in room.held.values()]
        assert client.coalescer.held_bytes == sum(held)
    client.coalescer.catch_up()
    client.clock.pass_to(client.clock.now + 10)
    offsets = [sent for sent, _ in client.sent]
    assert [sent - skipped for sent, skipped in client.sent] == [last + 1 for last in [0, *offsets][: len(offsets)]]
    assert set(never_skipped) | set(latest.values()) <= set(offsets)
    assert client.replaced == offset - len(offsets)
    assert client.coalescer.held_bytes == 0


def test_what_waits_in_a_room_that_is_left_counts_no_more():
    client = Client()
    client.coalescer.behind = True
    client.offer(1, heart_rate=60)
    assert client.coalescer.held_bytes > 0
    client.coalescer.forget(ROOM)
    assert client.coalescer.held_bytes == 0
