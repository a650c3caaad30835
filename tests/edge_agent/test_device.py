"""The shell of one device, over links in memory and time that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest

from device_drivers.errors import LinkLost, TransportError
from device_drivers.sessions import CommandRefused, SendBytes, TimePassed
from edge_agent.connection import State
from edge_agent.device import MID_STREAM_BYTES, Device, Profile
from edge_agent.settings import ReplaySettings
from tests.edge_agent.links import SAMPLES, ByteSession, MemoryOutbox, TestConnector, TestLink
from tests.edge_agent.manual_time import ManualTime, settle
from tests.edge_agent.samples import NOON, OXIMETER
from vitals.readings import Replayed
from vitals.waveforms import SampleChunk


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@pytest.fixture
def connector() -> TestConnector:
    return TestConnector()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


Running = Callable[..., AbstractAsyncContextManager[Device]]


@pytest.fixture
def running(outbox: MemoryOutbox, connector: TestConnector, time: ManualTime) -> Running:
    @asynccontextmanager
    async def run(
        *,
        sleeps: bool = False,
        stale: float | None = 10.0,
        replay: ReplaySettings | None = None,
        session: Callable[[], ByteSession] = ByteSession,
        allow_inflation: bool = False,
        waveforms: Callable[[SampleChunk], None] = lambda _: None,
    ) -> AsyncIterator[Device]:
        profile = Profile(
            device=OXIMETER,
            session=session,
            sleeps=sleeps,
            stale_after_seconds=stale,
            replay=replay,
            allow_inflation=allow_inflation,
            waveforms=waveforms,
        )
        device = Device(profile, connector, outbox, time=time.time)
        task = asyncio.create_task(device.run())
        try:
            yield device
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


ONLINE = ("connected", "online", None)


async def test_what_a_device_sends_becomes_committed_readings(running: Running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    async with running() as device:
        link.gives(bytes([97, 98]))
        await outbox.until(lambda: len(outbox.readings) == 2)
        await settle()
        assert device.status.state is State.LIVE
        assert device.status.readings == 2
    assert outbox.told[0] == ONLINE
    assert link.performed == [SendBytes(data=b"?")]


async def test_a_lost_link_is_told_and_connected_again_after_a_while(running: Running, connector, outbox, time):
    first, second = TestLink(), TestLink()
    connector.offers(first, second)
    async with running() as device:
        await outbox.until(lambda: outbox.told == [ONLINE])
        first.loses()
        await outbox.until(lambda: ("disconnected", "offline", "link_lost") in outbox.told)
        await settle()
        assert device.status.state is State.BACKING_OFF
        await time.advance(1)
        await outbox.until(lambda: outbox.told.count(ONLINE) == 2)
    assert first.closed


async def test_a_link_lost_under_a_command_is_a_lost_link(running: Running, connector, outbox):
    link = TestLink()
    link.lost = True
    connector.offers(link)
    async with running():
        await outbox.until(lambda: ("disconnected", "offline", "link_lost") in outbox.told)


async def test_what_a_link_gave_before_it_was_lost_under_a_command_is_not_lost(running, connector, outbox):
    """A cuff has had its measurement confirmed, and has left before its clock was read."""
    link = TestLink()
    link.gives(bytes([97]))
    link.lost = True
    connector.offers(link)
    async with running(sleeps=True, stale=None):
        await outbox.until(lambda: ("disconnected", "idle", "sleeping") in outbox.told)
    assert len(outbox.readings) == 1


async def test_a_sleeping_device_that_ends_its_connection_is_idle_and_not_lost(running, connector, outbox, time):
    link = TestLink()
    connector.offers(link)
    async with running(sleeps=True, stale=None) as device:
        link.gives(bytes([97]))
        link.loses()
        await outbox.until(lambda: ("disconnected", "idle", "sleeping") in outbox.told)
        await settle()
        assert device.status.state is State.IDLE
        assert device.status.problem is None
        connector.offers(TestLink())
        await time.advance(2)
        await outbox.until(lambda: outbox.told.count(ONLINE) == 2)


async def test_a_driver_that_has_what_it_came_for_closes_the_link(running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    async with running(sleeps=True):
        link.gives(bytes([97, 0xC0]))
        await outbox.until(lambda: ("disconnected", "idle", "idle") in outbox.told)
    assert link.closed


async def test_silence_on_a_standing_link_counts_as_lost(running, connector, outbox, time):
    """bleak does not notice bluetoothd dying."""
    link = TestLink()
    connector.offers(link)
    async with running(stale=10.0):
        await outbox.until(lambda: outbox.told == [ONLINE])
        await time.advance(9)
        assert outbox.told == [ONLINE]
        await time.advance(3)
        await outbox.until(lambda: ("disconnected", "offline", "silent") in outbox.told)
    assert link.closed


async def test_a_device_that_speaks_is_not_silent(running, connector, outbox, time):
    link = TestLink()
    connector.offers(link)
    async with running(stale=10.0):
        await outbox.until(lambda: outbox.told == [ONLINE])
        for _ in range(4):
            await time.advance(8)
            link.gives(bytes([97]))
            await settle()
        assert outbox.told == [ONLINE]


async def test_time_passes_for_the_session_once_a_second(running, connector, outbox, time):
    link, session = TestLink(), ByteSession()
    connector.offers(link)
    async with running(session=lambda: session):
        await outbox.until(lambda: outbox.told == [ONLINE])
        await time.advance(5)
    assert sum(isinstance(event, TimePassed) for event in session.seen) == 5


async def test_a_refused_command_is_told_to_the_session(running, connector, outbox):
    link, session = TestLink(refuses=lambda _: True), ByteSession()
    connector.offers(link)
    async with running(session=lambda: session) as device:
        await outbox.until(lambda: any(kind == "status" for kind, _, _ in outbox.told))
        assert device.status.faults == ("command_refused",)
    (refusal,) = [event for event in session.seen if isinstance(event, CommandRefused)]
    assert refusal.reason == "not permitted"


async def test_refused_bytes_are_counted_and_told_once_a_minute(running, connector, outbox, time):
    link = TestLink()
    connector.offers(link)
    async with running(stale=None) as device:
        link.gives(bytes([97]) + b"\xff" * 40)
        await outbox.until(lambda: ("fault", "online", "checksum") in outbox.told)
        await settle()
        assert device.status.refused["checksum"] == 40
        assert device.status.discarded_bytes == 40
        await time.advance(61)
        link.gives(b"\xff" * 5)
        await settle()
    assert outbox.told.count(("fault", "online", "checksum")) == 2


async def test_a_stream_that_is_joined_in_the_middle_is_no_fault(running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    async with running() as device:
        link.gives(b"\xff" * MID_STREAM_BYTES + bytes([97]))
        await outbox.until(lambda: outbox.readings)
        assert device.status.discarded_bytes == MID_STREAM_BYTES
    assert [kind for kind, _, _ in outbox.told if kind == "fault"] == []


async def test_a_stream_that_never_makes_a_frame_is_a_fault(running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    async with running():
        link.gives(b"\xff" * (MID_STREAM_BYTES + 1))
        await outbox.until(lambda: ("fault", "online", "checksum") in outbox.told)


async def test_the_first_bytes_of_a_device_that_sleeps_are_judged(running, connector, outbox):
    """It sends whole values: there is no middle to join in."""
    link = TestLink()
    connector.offers(link)
    async with running(sleeps=True):
        link.gives(b"\xff")
        await outbox.until(lambda: ("fault", "online", "checksum") in outbox.told)


async def test_battery_is_told_when_it_changes(running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    async with running() as device:
        link.gives(b"\xb0\xb0\xb0" + bytes([97]))
        await outbox.until(lambda: outbox.readings)
        assert device.status.battery_percent == 50
    assert sum(kind == "status" for kind, _, _ in outbox.told) == 1


async def test_a_replayed_reading_says_where_in_the_recording_it_stands(running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    replay = ReplaySettings(recording="stay-1", started=NOON - timedelta(seconds=10), speed=60, position_seconds=100)
    async with running(replay=replay):
        link.gives(bytes([97]))
        await outbox.until(lambda: outbox.readings)
    assert outbox.readings[0].replayed == Replayed(recording="stay-1", position_seconds=700.0, speed=60)


async def test_a_device_that_cannot_be_reached_is_said_once_and_tried_ever_later(running, connector, outbox, time):
    connector.offers(*(TransportError("no such port") for _ in range(20)))
    async with running() as device:
        await outbox.until(lambda: outbox.told)
        await time.advance(100, step=0.5)
        assert device.status.problem == "no such port"
        assert 6 <= connector.attempts <= 10
    assert outbox.told == [("fault", "offline", "transport_error")]


async def test_a_bug_in_a_driver_ends_the_connection_and_nothing_else(running, connector, outbox, time, caplog):
    link, second = TestLink(), TestLink()
    connector.offers(link, second)
    async with running():
        link.gives(b"\xd0")
        await outbox.until(lambda: ("disconnected", "offline", "driver_error") in outbox.told)
        await time.advance(1)
        second.gives(bytes([97]))
        await outbox.until(lambda: outbox.readings)
    assert "ZeroDivisionError" in caplog.text


async def test_stopping_the_agent_commits_the_disconnection(running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    async with running():
        await outbox.until(lambda: outbox.told == [ONLINE])
    assert outbox.told[-1] == ("disconnected", "offline", "agent_stopped")
    assert link.closed


async def test_a_link_that_breaks_in_its_events_is_a_lost_link(running, connector, outbox):
    class Breaking(TestLink):
        async def events(self):
            yield await self._events.get()
            raise LinkLost("unplugged")

    connector.offers(Breaking())
    async with running():
        await outbox.until(lambda: ("disconnected", "offline", "link_lost") in outbox.told)


async def test_a_cuff_that_may_not_inflate_does_not_and_the_driver_is_told(running: Running, connector, outbox):
    link, session = TestLink(), ByteSession()
    connector.offers(link)
    async with running(session=lambda: session) as device:
        link.gives(b"\xe0\x61")
        await outbox.until(lambda: outbox.readings)
        assert link.performed == [SendBytes(data=b"?")]
        (refused,) = [event for event in session.seen if isinstance(event, CommandRefused)]
        assert "allow_inflation" in refused.reason
        assert device.status.readings == 1


async def test_a_cuff_that_may_inflate_does_and_the_log_says_so(running: Running, connector, outbox, caplog):
    link = TestLink()
    connector.offers(link)
    async with running(allow_inflation=True):
        link.gives(b"\xe0\x61")
        await outbox.until(lambda: outbox.readings)
    assert link.performed[-1] == SendBytes(data=b"!")
    assert [record.message for record in caplog.records if "the cuff inflates" in record.message]


async def test_samples_of_a_waveform_are_counted_and_handed_on_and_not_kept(running: Running, connector, outbox):
    link = TestLink()
    connector.offers(link)
    handed_on: list[SampleChunk] = []
    async with running(waveforms=handed_on.append) as device:
        link.gives(b"\xf0\xf0\x61")
        await outbox.until(lambda: outbox.readings)
        assert device.status.samples == 6
    assert handed_on == [SAMPLES, SAMPLES]
    assert len(outbox.readings) == 1
