"""Clients that never read, among many that do: what each costs the hub, and what the others notice of it.

The short form runs here. The full one is `python -m tests.hub.realtime.test_slow_readers REDIS_URL CLIENTS SILENT`; it prints the others' delays too,
which on a shared machine say something only beside each other.
"""

import asyncio
import re
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bedside.services.redis import Redis
from tests.hub.rest.raw_http import request
from tests.support.hub import PATIENT
from tests.support.hub_process import MIB, HubProcess, hub_process
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

VITALS, ALERTS = f"patient:{PATIENT}:vitals", f"patient:{PATIENT}:alerts"
PADDING = "x" * 20_000
SMALL_BUFFER = 4096
CONNECTED_AT_ONCE = 50
PAUSE_SECONDS = 0.05
WAIT_SECONDS = 60
MARK = re.compile(rb'"number":(\d+),"at":([\d.]+)')
UPGRADE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class Listener(asyncio.Protocol):
    """A client that takes what comes, or reads no more once it is subscribed."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        self.subscribed = 0
        self.numbers: list[int] = []
        self.delays: list[float] = []
        self.ended = False
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        self.subscribed += data.count(b'"status":"subscribed"')
        if self.silent and self.subscribed == 3:
            self._transport.pause_reading()
        past = 0
        for found in MARK.finditer(data):
            self.numbers.append(int(found[1]))
            self.delays.append(now - float(found[2]))
            past = found.end()
        self._rest = data[max(past, len(data) - 100) :]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True

    def leave(self) -> None:
        self._transport.abort()


async def crowd(hub: HubProcess, count: int, *, silent: int) -> list[Listener]:
    """So many subscribed clients, the first of them `silent`."""
    listeners: list[Listener] = []
    for place in range(count):
        connection = socket.socket()
        if place < silent:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", hub.port))
        listener = Listener(silent=place < silent)
        transport, _ = await loop.create_connection(lambda listener=listener: listener, sock=connection)
        authorization = f"Authorization: Bearer {hub.token(subject=f'client-{place}')}"
        transport.write(request(f"/realtime/ws/patient/{PATIENT}", authorization, *UPGRADE))
        listeners.append(listener)
        if not len(listeners) % CONNECTED_AT_ONCE or len(listeners) == count:
            await eventually(lambda: all(each.subscribed == 3 for each in listeners), seconds=WAIT_SECONDS)
    return listeners


async def heard(listeners: Sequence[Listener], count: int) -> None:
    """Until all that read have had so many messages."""
    reading = [listener for listener in listeners if not listener.silent]
    await eventually(lambda: all(len(each.numbers) >= count for each in reading), seconds=WAIT_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was seen of one crowd: the others' delays in seconds while the silent ones are behind, memory in bytes for each of these, messages left out."""

    p50: float
    p99: float
    bytes_each: float
    coalesced: int
    still_there: int


async def outcome(hub: HubProcess, count: int, silent: int, *, numerics: int, alerts: int, paced: int = 1) -> Outcome:
    """Publish large numerics, then a few at a ward's pace, then large alerts. Every reader must get each of them, in order."""
    listeners = await crowd(hub, count, silent=silent)
    before, began = hub.memory(), await hub.figures()
    hub.forget_peak()
    await hub.publish(VITALS, count=numerics, heart_rate=60, padding=PADDING)
    await heard(listeners, numerics)
    await hub.publish(VITALS, count=paced, pause=PAUSE_SECONDS, heart_rate=60)
    await heard(listeners, numerics + paced)
    after_numerics = await hub.figures()
    assert after_numerics["clients"] == count, "numerics end nobody: they are coalesced"
    await hub.publish(ALERTS, count=alerts, event="patient.alert", padding=PADDING)
    await heard(listeners, numerics + paced + alerts)
    reading = [listener for listener in listeners if not listener.silent]
    assert all(each.numbers == [*range(numerics), *range(paced), *range(alerts)] for each in reading)
    delays = sorted(delay for each in reading for delay in each.delays[numerics : numerics + paced])
    peak, ended = hub.peak(), await hub.figures()
    for listener in listeners:
        listener.leave()
    await eventually(lambda: _is_empty(hub), seconds=WAIT_SECONDS)
    return Outcome(
        p50=delays[len(delays) // 2],
        p99=delays[len(delays) * 99 // 100],
        bytes_each=(peak - before) / max(1, silent),
        coalesced=after_numerics["coalesced"] - began["coalesced"],
        still_there=ended["clients"] - len(reading),
    )


async def _is_empty(hub: HubProcess) -> bool:
    return (await hub.figures())["clients"] == 0


async def test_clients_that_never_read_cost_a_mebibyte_each_at_most_and_the_others_get_everything(
    tmp_path: Path, redis_server: Redis
):
    async with hub_process(tmp_path, redis_server.url) as hub:
        await outcome(hub, 20, 0, numerics=20, alerts=20)  # what the process needs anyway
        seen = await outcome(hub, 16, 8, numerics=280, alerts=250)
    assert seen.coalesced > 8 * 10, "each of them was spared numerics"
    assert seen.still_there == 0, "alerts are never left out, so all of them were ended"
    assert seen.bytes_each <= MIB


async def _full(redis_url: str, count: int, silent: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bedside-") as folder:
        async with hub_process(Path(folder), redis_url) as hub:
            for quiet in (0, silent, 0, silent):
                print(
                    quiet,
                    "silent of",
                    count,
                    await outcome(hub, count, quiet, numerics=300, alerts=250, paced=200),
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(_full(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
