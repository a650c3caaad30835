"""Clients that mean harm: whatever they do costs the hub 32 MiB at most, and the others are served meanwhile.

The hub is a process of its own, so that its peak of memory is its own too. One hub for all, one after the other: what one attack
leaves behind counts against the next.
"""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import websockets

from bedside.services.redis import Redis
from tests.hub.realtime.raw_frames import CLOSE, CONTINUATION, FINAL, PING, TEXT, RawSocket, frame, raw_socket, text
from tests.hub.rest.raw_http import request
from tests.support.hub import PATIENT
from tests.support.hub_process import MIB, HubProcess, hub_process
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

MOST_BYTES = 32 * MIB
ROOM = f"patient:{PATIENT}:alerts"
ARRIVAL_SECONDS = 2
WAIT_SECONDS = 30
EXTENSION = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"


async def closed_with(socket: RawSocket) -> int | None:
    """The code of the hub's close, past everything else that it sends; None where the connection ended without one."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while (received := await socket.receive()).opcode != CLOSE:
            pass
        return received.code
    return None


async def said(socket: RawSocket, piece: bytes, times: int) -> int | None:
    """Say a piece again and again, reading nothing, until the hub has had enough; the code of its close."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        for _ in range(times):
            socket.writer.write(piece)
            async with asyncio.timeout(WAIT_SECONDS / 10):
                await socket.writer.drain()
    return await closed_with(socket)


async def deflate_bombs(hub: HubProcess) -> None:
    """400 KiB that would inflate to 400 MiB. Nobody agreed on compression, so its bit is an error."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(squeeze.compress(bytes(MIB)) for _ in range(400)) + squeeze.flush()
    codes = await asyncio.gather(*(_one_bomb(hub, bomb, place) for place in range(10)))
    assert set(codes) <= {1002, 1009}


async def _one_bomb(hub: HubProcess, bomb: bytes, place: int) -> int | None:
    async with raw_socket(hub, "/realtime/ws", EXTENSION, subject=f"bomber-{place}") as socket:
        return await said(socket, frame(FINAL | 0x40 | TEXT, bomb), 1)


async def oversize(hub: HubProcess) -> None:
    """Frames that claim much, messages that never end, and many clients that each hold as much as they may."""
    claims = [frame(FINAL | TEXT, b"x", length=2**40), frame(TEXT, b"x" * 60_000) + frame(CONTINUATION, b"x" * 60_000)]
    for claim in claims:
        async with raw_socket(hub, subject="oversize") as socket:
            assert await said(socket, claim, 1) == 1009
    async with contextlib.AsyncExitStack() as open_:
        for place in range(120):
            socket = await open_.enter_async_context(raw_socket(hub, subject=f"half-{place}"))
            await socket.send(frame(TEXT, b"x" * 60_000))


async def empty_parts(hub: HubProcess) -> None:
    """Parts without a byte never make a message too large, however many there are."""
    async with raw_socket(hub, subject="empty") as socket:
        await socket.send(frame(TEXT))
        await socket.send(frame(CONTINUATION) * 100_000)
        await socket.send(frame(FINAL | CONTINUATION, b'{"type": "ping"}'))
        assert json.loads((await socket.receive()).payload)["type"] == "pong"


async def pings_without_reading(hub: HubProcess) -> None:
    async with raw_socket(hub, subject="pings") as socket:
        assert await said(socket, frame(FINAL | PING, b"x" * 125) * 2000, 200) in (None, 4490)


async def bad_texts(hub: HubProcess) -> None:
    async with raw_socket(hub, subject="texts") as socket:
        assert await said(socket, text("{") * 10_000, 20) in (None, 4429)


async def many_rooms_at_once(hub: HubProcess) -> None:
    """A request as large as it may be, all of it for rooms that aren't there, each several times."""
    rooms = [f"patient:nobody-{place}" for place in range(500)]
    async with raw_socket(hub, subject="rooms") as socket:
        await socket.send(text(json.dumps({"type": "subscribe", "rooms": rooms * 4})))
        for _ in rooms:
            assert json.loads((await socket.receive()).payload)["reason"] == "unknown_room"


async def silent_connections(hub: HubProcess) -> None:
    """Connections that never say a word are ended, and so make room."""
    silent = [await asyncio.open_connection("127.0.0.1", hub.port) for _ in range(300)]
    async with asyncio.timeout(WAIT_SECONDS):
        assert [await reader.read() for reader, _ in silent] == [b""] * len(silent)
    for _, writer in silent:
        writer.close()


async def slow_handshakes(hub: HubProcess) -> None:
    """A handshake that drips is refused when its time is over, however steadily it drips."""
    whole = request("/realtime/ws", *(f"X-{place}: {'x' * 100}" for place in range(200)))
    answers = await asyncio.gather(*(_dripped(hub, whole) for _ in range(50)))
    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 408 "] * len(answers)


async def _dripped(hub: HubProcess, whole: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            for place in range(0, len(whole), 50):
                writer.write(whole[place : place + 50])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ARRIVAL_SECONDS / 10):
                        return await reader.readuntil(b"\r\n\r\n")
        raise AssertionError("the whole of it was taken")
    finally:
        writer.close()


async def streams_that_nobody_reads(hub: HubProcess) -> None:
    """Alerts are never dropped, so a stream that takes none is ended."""
    streams = []
    for place in range(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=1024)
        token = f"Authorization: Bearer {hub.token(subject=f'stream-{place}')}"
        writer.write(request(f"/realtime/events/patient/{PATIENT}", token))
        await reader.readuntil(b"\r\n\r\n")
        streams.append(writer)
    async with asyncio.timeout(WAIT_SECONDS):
        while (await hub.figures())["clients"] > 1:  # the bystander
            await hub.publish(ROOM, count=20, event="patient.alert", padding="x" * 50_000)
    for writer in streams:
        writer.transport.abort()


ATTACKS = (
    deflate_bombs,
    oversize,
    empty_parts,
    pings_without_reading,
    bad_texts,
    many_rooms_at_once,
    silent_connections,
    slow_handshakes,
    streams_that_nobody_reads,
)


@contextlib.asynccontextmanager
async def bystander(hub: HubProcess) -> AsyncIterator[list[int]]:
    """A client that only wants its alerts, and answers nothing else; the offsets of those that it gets."""
    offsets: list[int] = []
    headers = {"Authorization": f"Bearer {hub.token(subject='bystander')}"}
    url = f"ws://127.0.0.1:{hub.port}/realtime/ws/patient/{PATIENT}"
    async with websockets.connect(url, additional_headers=headers, compression=None) as client:
        while json.loads(await client.recv()).get("room") != ROOM:
            pass  # the last of the three to be confirmed

        async def listen() -> None:
            async for received in client:
                message = json.loads(received)
                if message["type"] == "patient_alert":
                    offsets.append(message["offset"])

        listening = asyncio.create_task(listen(), name="bystander")
        yield offsets
        await client.close()
        await listening


async def _served(hub: HubProcess, offsets: list[int], attack: Callable[[HubProcess], Awaitable[None]]) -> None:
    """Publish as long as an attack lasts, and see that all of it comes."""
    attacking = asyncio.create_task(attack(hub), name=attack.__name__)
    try:
        while not attacking.done():
            before = len(offsets)
            await hub.publish(ROOM, count=1, event="patient.alert", padding="")
            await eventually(lambda: len(offsets) > before, seconds=WAIT_SECONDS)  # noqa: B023 - waited for at once
            await asyncio.wait([attacking], timeout=0.05)
    finally:
        await attacking


async def test_no_attack_costs_more_than_32_mib_and_the_others_are_served(tmp_path: Path, redis_server: Redis):
    costs: dict[str, float] = {}
    async with (
        hub_process(tmp_path, redis_server.url, arrival_seconds=ARRIVAL_SECONDS) as hub,
        bystander(hub) as offsets,
    ):
        await hub.publish(ROOM, count=50, event="patient.alert", padding="x" * 1000)
        before = hub.memory()
        for attack in ATTACKS:
            hub.forget_peak()
            await _served(hub, offsets, attack)
            costs[attack.__name__] = round((hub.peak() - before) / MIB, 1)
        assert offsets == [*range(offsets[0], offsets[0] + len(offsets))], "the bystander missed something"
    assert {name: cost for name, cost in costs.items() if cost * MIB > MOST_BYTES} == {}
