"""Connections whose request does not come: each has its time, and when there are many the longest waiting makes room."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from bedside.services.redis import Redis
from tests.hub.rest.raw_http import exchanged, request
from tests.support.hub import running_hub

WAIT_SECONDS = 30
UNFINISHED = request("/health/live")[:-4]


async def read_to_the_end(port: int, said: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(said)
        async with asyncio.timeout(WAIT_SECONDS):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(("said", "answer"), [(b"", b""), (UNFINISHED, b"HTTP/1.1 408 ")], ids=["silent", "unfinished"])
async def test_a_request_that_does_not_come_is_not_waited_for_long(
    tmp_path: Path, redis_server: Redis, said: bytes, answer: bytes
):
    async with running_hub(tmp_path, redis_server.url, arrival_seconds=0.5) as hub:
        assert (await read_to_the_end(hub.port, said))[:13] == answer


async def test_a_second_request_has_its_own_time(tmp_path: Path, redis_server: Redis):
    async with running_hub(tmp_path, redis_server.url, arrival_seconds=0.5) as hub:
        answers = await read_to_the_end(hub.port, request("/health/live") + UNFINISHED)
    assert [answers[:13], b"HTTP/1.1 408 " in answers] == [b"HTTP/1.1 200 ", True]


async def test_of_many_silent_connections_the_oldest_make_room(tmp_path: Path, redis_server: Redis):
    async with (
        running_hub(tmp_path, redis_server.url, arriving_connections=5) as hub,
        contextlib.AsyncExitStack() as open_,
    ):
        silent = []
        for _ in range(8):
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            open_.callback(writer.close)
            silent.append(reader)
        assert (await exchanged(hub.port, request("/health/live"))).status == 200
        async with asyncio.timeout(WAIT_SECONDS):
            for reader in silent[:3]:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
        assert not any(reader.at_eof() for reader in silent[4:])
