"""Waveforms in the agent: what waits, what is dropped, what goes first; time moves when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from edge_agent.waveforms import (
    BATCH_BYTES,
    DEVICE_BYTES,
    DEVICE_SECONDS,
    SLOW_SECONDS,
    UNSENT_BYTES,
    Road,
    WaveformBuffer,
    WaveformSender,
)
from tests.edge_agent.manual_time import ManualTime, settle
from tests.edge_agent.samples import NOON, OXIMETER
from vitals.identifiers import DeviceKey, DeviceType
from vitals.waveform_envelope import decode_chunk, decode_waveforms
from vitals.waveforms import MAX_SAMPLES, SampleChunk, Signal

OTHER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="ox-2")
RATE = 60.0
HALF_SECOND = 30


def chunk(number: int, *, device: DeviceKey = OXIMETER, samples: int = HALF_SECOND) -> SampleChunk:
    return SampleChunk(
        device=device,
        signal=Signal.PLETHYSMOGRAM,
        started=NOON + timedelta(seconds=number / 2),
        rate_hz=RATE,
        low=0,
        high=65535,
        samples=(number,) * samples,
    )


def gaps(bodies: list[bytes]) -> list[bool]:
    return [decode_chunk(msgspec.Raw(body)).gap_before for body in bodies]


def numbers(bodies: list[bytes]) -> list[tuple[str, int]]:
    chunks = [decode_chunk(msgspec.Raw(body)) for body in bodies]
    return [(one.device.device_id, one.samples[0] or 0) for one in chunks]


@pytest.fixture
def buffer() -> WaveformBuffer:
    opened = WaveformBuffer()
    opened.open()
    return opened


def test_without_a_link_nothing_waits_and_it_is_counted(buffer: WaveformBuffer):
    buffer.offer(chunk(1))
    buffer.close()
    buffer.offer(chunk(2))
    buffer.open()
    assert not buffer.available.is_set()
    assert buffer.take(BATCH_BYTES) == []
    assert buffer.counts[str(OXIMETER)].dropped == 2 * HALF_SECOND


def test_two_seconds_of_a_device_wait_and_the_oldest_are_dropped(buffer: WaveformBuffer):
    for number in range(1, 11):
        buffer.offer(chunk(number))
    buffer.offer(chunk(1, device=OTHER))
    kept = round(DEVICE_SECONDS * 2)
    assert numbers(buffer.take(BATCH_BYTES)) == [("ox-1", 7), ("ox-2", 1), ("ox-1", 8), ("ox-1", 9), ("ox-1", 10)]
    assert buffer.counts[str(OXIMETER)].dropped == (10 - kept) * HALF_SECOND
    assert buffer.counts[str(OXIMETER)].sent == kept * HALF_SECOND
    assert not buffer.available.is_set()


def test_the_chunk_after_a_dropped_one_says_so(buffer: WaveformBuffer):
    for number in range(6):
        buffer.offer(chunk(number))
    assert gaps(buffer.take(BATCH_BYTES)) == [True, False, False, False]
    buffer.close()
    buffer.offer(chunk(7))
    buffer.open()
    for number in (8, 9):
        buffer.offer(chunk(number))
    assert gaps(buffer.take(BATCH_BYTES)) == [True, False]


def test_what_waits_of_a_device_is_bounded_in_bytes_too(buffer: WaveformBuffer):
    fast = [msgspec.structs.replace(chunk(60_000 + n, samples=MAX_SAMPLES), rate_hz=1000.0) for n in range(100)]
    for one in fast:
        buffer.offer(one)
    taken: list[bytes] = []
    while more := buffer.take(BATCH_BYTES):
        assert sum(map(len, more)) <= BATCH_BYTES
        taken += more
    assert sum(map(len, taken)) <= DEVICE_BYTES
    assert numbers(taken)[-1] == ("ox-1", 60_099)


class RecordingLink:
    """Takes what is published; while `blocked`, the socket takes nothing."""

    def __init__(self) -> None:
        self.unsent = 0
        self.payloads: list[bytes] = []
        self.flows = asyncio.Event()
        self.flows.set()

    async def publish_live(self, topic: str, payload: bytes) -> None:
        assert topic == "bedside/v1/gw-1/waveforms"
        await self.flows.wait()
        self.payloads.append(payload)

    @property
    def numbers(self) -> list[tuple[str, int]]:
        return [
            one
            for payload in self.payloads
            for one in numbers([bytes(raw) for raw in decode_waveforms(payload).chunks])
        ]


class Sending:
    """A sender at work over a link in memory."""

    def __init__(self, rate: float) -> None:
        self.time = ManualTime()
        self.buffer = WaveformBuffer()
        self.link = RecordingLink()
        self.road = Road(lambda: self.time.seconds)
        self._sender = WaveformSender(
            self.buffer, gateway="gw-1", clock=self.time.clock, sleep=self.time.sleep, bytes_per_second=rate
        )

    async def run(self) -> None:
        await self._sender.run(self.link, self.road)


@pytest.fixture
async def sending(request: pytest.FixtureRequest) -> AsyncIterator[Sending]:
    one = Sending(getattr(request, "param", 1e9))
    task = asyncio.create_task(one.run())
    await settle()
    yield one
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_chunks_of_a_tick_go_out_in_one_batch(sending: Sending):
    sending.buffer.offer(chunk(1))
    sending.buffer.offer(chunk(2, device=OTHER))
    await sending.time.advance(1)
    (payload,) = sending.link.payloads
    assert decode_waveforms(payload).gateway == "gw-1"
    assert sending.link.numbers == [("ox-1", 1), ("ox-2", 2)]


async def test_waveforms_wait_while_the_broker_owes_an_answer_and_go_on_with_the_newest(sending: Sending):
    with sending.road.asked():
        await sending.time.advance(SLOW_SECONDS * 2)
        for number in range(20):
            sending.buffer.offer(chunk(number))
            await sending.time.advance(0.5)
        assert sending.link.payloads == []
    await sending.time.advance(1)
    assert sending.link.numbers == [("ox-1", number) for number in range(16, 20)]


async def test_waveforms_wait_while_much_is_on_the_way(sending: Sending):
    sending.link.unsent = UNSENT_BYTES + 1
    sending.buffer.offer(chunk(1))
    await sending.time.advance(2)
    assert sending.link.payloads == []
    sending.link.unsent = UNSENT_BYTES
    await sending.time.advance(1)
    assert sending.link.numbers == [("ox-1", 1)]


async def test_a_socket_that_takes_nothing_costs_no_more_than_what_may_wait(sending: Sending):
    sending.link.flows.clear()
    for number in range(20):
        sending.buffer.offer(chunk(number))
        await sending.time.advance(0.5)
    sending.link.flows.set()
    await sending.time.advance(1)
    assert sending.link.numbers == [("ox-1", number) for number in (0, 16, 17, 18, 19)]


@pytest.mark.parametrize("sending", [2048.0], indirect=True)
async def test_what_goes_out_is_bounded_in_bytes_a_second(sending: Sending):
    devices = [DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id=f"ox-{n}") for n in range(20)]
    for number in range(60):
        for device in devices:
            sending.buffer.offer(chunk(number, device=device))
        await sending.time.advance(0.5)
    seconds = 30
    sent = sum(map(len, sending.link.payloads))
    assert sent <= 2048 * seconds + BATCH_BYTES
    assert sent > 2048 * seconds / 2
    dropped = [sending.buffer.counts[str(device)].dropped for device in devices]
    assert min(dropped) > 0


async def test_a_link_that_ends_takes_with_it_what_waited():
    sending = Sending(1e9)
    sending.link.flows.clear()
    task = asyncio.create_task(sending.run())
    await settle()
    sending.buffer.offer(chunk(1))
    await sending.time.advance(1)
    sending.buffer.offer(chunk(2))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    sending.buffer.offer(chunk(3))
    sending.link.flows.set()
    again = asyncio.create_task(sending.run())
    await settle()
    sending.buffer.offer(chunk(4))
    await sending.time.advance(1)
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    assert sending.link.numbers == [("ox-1", 4)]
