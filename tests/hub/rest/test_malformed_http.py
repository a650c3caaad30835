"""What is no HTTP, or too much of it: a problem document for each, no trace in the log, and the hub answers on."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bedside.services.redis import Redis
from tests.hub.rest.raw_http import RawAnswer, exchanged, request
from tests.support.hub import LiveHub, running_hub

PUBLISH = "/realtime/test/publish"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")
LONG = b"a" * 10_000_000
NO_HTTP = {
    "another protocol": (b"\x16\x03\x01\x00\xff\xfe\x00garbage\r\n\r\n", 400),
    "an invented method": (request("/health/live", method="BREW"), 400),
    "a method that the path has not": (request("/health/live", method="DELETE"), 405),
    "a path that is not there": (request("/nothing"), 404),
    "a WebSocket's path without a handshake": (request("/realtime/ws"), 404),
    "an invented version": (b"GET / HTTP/9.9\r\n\r\n", 400),
    "bytes in the path": (b"GET /\xff\xfe HTTP/1.1\r\nHost: hub\r\n\r\n", 400),
    "a NUL in the path": (request("/realtime/history/patient:a%00b"), 422),
    "bytes as a token": (b"GET /realtime/stats HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n", 401),
    "an endless address": (b"GET /" + LONG, 431),
    "a long address": (request("/" + "a" * 40_000), 431),
    "an endless header": (b"GET / HTTP/1.1\r\nX: " + LONG, 431),
    "headers without end": (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 100_000, 431),
    "a negative length": (request(PUBLISH, "Content-Length: -5", method="POST"), 400),
    "a length in words": (request(PUBLISH, "Content-Length: five", method="POST"), 400),
    "two lengths": (request(PUBLISH, "Content-Length: 2", "Content-Length: 3", method="POST", body=b"{}"), 400),
    "a length and chunks": (request(PUBLISH, "Content-Length: 2", "Transfer-Encoding: chunked", method="POST"), 400),
    "a chunk without a length": (
        request(PUBLISH, "Transfer-Encoding: chunked", method="POST", body=b"zz\r\n\r\n"),
        400,
    ),
}
HANDSHAKES = {
    "no WebSocket there": (request("/nothing", *UPGRADE, KEY, VERSION), 404),
    "no key": (request("/realtime/ws", *UPGRADE, VERSION), 400),
    "half a key": (request("/realtime/ws", *UPGRADE, "Sec-WebSocket-Key: abc", VERSION), 400),
    "an old version": (request("/realtime/ws", *UPGRADE, KEY, "Sec-WebSocket-Version: 7"), 400),
    "a POST": (request("/realtime/ws", *UPGRADE, KEY, VERSION, method="POST"), 400),
    "a long token": (request("/realtime/ws?token=" + "a" * 9000, *UPGRADE, KEY, VERSION), 431),
    "many headers": (request("/realtime/ws", *UPGRADE, KEY, VERSION, *["X: a"] * 200), 431),
    "no token": (request("/realtime/ws", *UPGRADE, KEY, VERSION), 401),
}


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis, caplog: pytest.LogCaptureFixture) -> AsyncIterator[LiveHub]:
    """A hub whose log must be free of traces at the end, and that must still answer."""
    async with running_hub(tmp_path, redis_server.url, request_seconds=1) as running:
        yield running
        assert (await running.http.get("/health/ready")).status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []


@pytest.mark.parametrize("table", [NO_HTTP, HANDSHAKES], ids=["requests", "handshakes"])
async def test_what_is_no_request_is_answered_with_a_problem_document(hub: LiveHub, table: dict):
    answers = {name: await exchanged(hub.settings.port, said) for name, (said, _) in table.items()}
    assert {name: answer.status for name, answer in answers.items()} == {
        name: status for name, (_, status) in table.items()
    }
    assert {answer.media_type for answer in answers.values()} == {"application/problem+json"}
    assert all(answer.body["status"] == answer.status for answer in answers.values())


def publishing(hub: LiveHub, length: int, body: bytes = b"{}") -> bytes:
    token = f"Authorization: Bearer {hub.token('tester')}"
    return request(PUBLISH, token, f"Content-Length: {length}", method="POST", body=body)


async def test_a_body_that_is_said_to_be_too_large_is_not_waited_for(hub: LiveHub):
    assert (await exchanged(hub.settings.port, publishing(hub, 99_999_999_999))).status == 413


async def test_a_body_that_does_not_come_is_not_waited_for_long(hub: LiveHub):
    assert (await exchanged(hub.settings.port, publishing(hub, 500))).status == 408


async def test_a_body_that_breaks_off_is_dropped(hub: LiveHub):
    assert await exchanged(hub.settings.port, publishing(hub, 500), half_close=True) == RawAnswer(
        status=0, media_type="", body=None
    )


async def test_a_body_longer_than_it_was_said_to_be_is_another_request_and_refused(hub: LiveHub):
    """The rest is taken for a second request on the same connection, which is none."""
    answer = await exchanged(hub.settings.port, publishing(hub, 2, b"{}and more\r\n\r\n"))
    assert answer.status in (400, 422)


async def test_a_refused_connection_is_closed(hub: LiveHub):
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.settings.port)
    writer.write(NO_HTTP["another protocol"][0])
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


@pytest.mark.parametrize(
    ("media_type", "status"),
    [("application/json", 422), ("application/problem+json; charset=utf-8", 422), ("text/plain", 415), ("", 415)],
)
async def test_a_body_that_is_said_to_be_no_json_is_refused(hub: LiveHub, media_type: str, status: int):
    headers = hub.headers("tester") | {"Content-Type": media_type}
    answer = await hub.http.post(PUBLISH, content=b"{}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
