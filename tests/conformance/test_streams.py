"""Both readers of event streams: each example, however its bytes are cut; and the real hub's streams, resumed by their cursor."""

import json
from pathlib import Path

import httpx
import msgspec
import pytest

from bedside.client import EventStreamReader, EventTooLong, StreamEvent
from tests.conformance.driven import Node, node
from tests.conformance.script import DATA
from tests.support.hub import HOSPITAL, PATIENT, LiveHub, running_hub
from tests.support.waiting import eventually
from vitals.events import EventName

EXAMPLES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "streams").glob("*.json"))
}
ALERTS = f"patient:{PATIENT}:alerts"


def expected(example: dict) -> dict:
    return {name: example[name] for name in ("events", "last_id", "retry")}


def read(pieces: list[bytes]) -> dict:
    reader = EventStreamReader()
    events = [event for piece in pieces for event in reader.receive_data(piece)]
    return {
        "events": [msgspec.to_builtins(event) for event in events],
        "last_id": reader.last_id,
        "retry": reader.retry_milliseconds,
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_python_reader_reads_a_stream_however_it_is_cut(name: str):
    text = EXAMPLES[name]["text"].encode()
    ways = [[text[:at], text[at:]] for at in range(len(text))]
    ways.append([text[at : at + 1] for at in range(len(text))])
    for pieces in ways:
        assert read(pieces) == expected(EXAMPLES[name])


def test_a_stream_that_never_ends_its_event_is_left():
    reader = EventStreamReader(longest_event=1000)
    for _ in range(90):
        reader.receive_data(b"data: 0123456789\n")
    with pytest.raises(EventTooLong):
        reader.receive_data(b"data: 0123456789\n")
    with pytest.raises(EventTooLong):
        EventStreamReader(longest_event=1000).receive_data(b"x" * 1001)


def test_half_an_event_of_a_lost_connection_is_forgotten_and_the_cursor_kept():
    reader = EventStreamReader()
    reader.receive_data(b"id: 1\ndata: a\n\nid: 2\ndata: half")
    reader.disconnected()
    assert reader.receive_data(b"data: b\n\n") == [StreamEvent(name="message", data="b", last_id="1")]


@pytest.mark.slow
async def test_the_typescript_reader_reads_every_stream_however_it_is_cut(typescript_client_modules: Path):
    async with node(typescript_client_modules) as process, process.client(_IDLE) as client:
        assert "event" in await client.says()
        for example in EXAMPLES.values():
            await client.order({"do": "read", "bytes": [*example["text"].encode()]})
            assert (await client.says())["answer"] == [expected(example)], example["why"]


_IDLE = {"url": "http://127.0.0.1:9", "tokens": [None], "rooms": [], "timings": {"first_wait_seconds": 1e6}}
"""A client that has no token, says so, and waits."""


@pytest.mark.slow
async def test_a_stream_goes_on_from_its_cursor_with_what_was_missed(tmp_path, redis_server, typescript_client_modules):
    async with (
        running_hub(tmp_path, redis_server.url) as hub,
        node(typescript_client_modules) as process,
    ):
        assert await _python_follows(hub) == (["connected", "patient.alert"], ["patient.alert", "recovered"])
        assert await _typescript_follows(hub, process) == (
            ["connected", "patient.alert"],
            ["patient.alert", "recovered"],
        )


async def _alert(hub: LiveHub) -> None:
    await hub.owner.publish(HOSPITAL, [ALERTS], DATA["patient.alert"], event=EventName.PATIENT_ALERT)


async def _python_follows(hub: LiveHub) -> tuple[list[str], list[str]]:
    """The names of a first stream up to an alert, and, after another that it missed, of a second from the cursor on."""
    reader = EventStreamReader()
    first = await _names(hub, reader, until="patient.alert", publish=True)
    await _alert(hub)
    return first, (await _names(hub, reader, until="recovered"))[-2:]


async def _names(hub: LiveHub, reader: EventStreamReader, *, until: str, publish: bool = False) -> list[str]:
    headers = hub.headers("viewer") | ({"Last-Event-ID": reader.last_id} if reader.last_id else {})
    names: list[str] = []
    reader.disconnected()
    async with hub.http.stream("GET", f"/realtime/events/patient/{PATIENT}", headers=headers) as answer:
        async for data in answer.aiter_bytes():
            for event in reader.receive_data(data):
                names.append(event.name)
                if publish and event.name == "connected":
                    await _alert(hub)
                if event.name == until:
                    return names
    raise AssertionError(names)


async def _typescript_follows(hub: LiveHub, process: Node) -> tuple[list[str], list[str]]:
    url = f"http://127.0.0.1:{hub.settings.port}/realtime/events/patient/{PATIENT}"
    follow = {"do": "follow", "url": url, "token": hub.token("viewer"), "last_id": ""}
    async with process.client(_IDLE) as client:
        await client.says()
        await client.order(follow | {"until": "patient.alert"})
        await _until_followed(hub)
        await _alert(hub)
        first = (await client.says())["answer"]
        await _alert(hub)
        await client.order(follow | {"until": "recovered", "last_id": first["last_id"]})
        return first["names"], (await client.says())["answer"]["names"][-2:]


async def _until_followed(hub: LiveHub) -> None:
    """Until the stream stands."""
    async with httpx.AsyncClient(base_url=str(hub.http.base_url), headers=hub.headers("admin")) as http:
        await eventually(lambda: _connections(http), seconds=30)


async def _connections(http: httpx.AsyncClient) -> bool:
    return bool((await http.get("/realtime/stats")).json()["data"]["connections_by_room"].get(ALERTS))
