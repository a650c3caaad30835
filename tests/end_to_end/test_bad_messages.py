"""Bad messages at the running road's doors, MQTT, REST and WebSocket: refused with a reason, counted, and readings flow on."""

import asyncio
import contextlib
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
import httpx
import msgspec
import pytest
import websockets

from bedside.up.layout import GATEWAY
from edge_agent import status
from tests.end_to_end.clients import WAIT_SECONDS, message_with, watched
from tests.end_to_end.road import Road
from tests.hub.ingest.support import Gateway, entries, pressure
from tests.hub.ingest.test_bad_messages import MALFORMED, MESSAGES, TIMES
from tests.hub.realtime.test_websocket import BAD
from tests.hub.rest.raw_http import exchanged
from tests.hub.rest.test_malformed_http import HANDSHAKES, NO_HTTP
from tests.support.waiting import eventually
from vitals.envelope import ReadingEntry, RejectionReason
from vitals.identifiers import DeviceKey, DeviceType
from vitals.readings import Reading
from vitals.rooms import AUTO_SUBSCRIPTIONS
from vitals.topics import Channel, topic

pytestmark = pytest.mark.slow

CUFF = "blood_pressure_monitor"
_measurements = itertools.count()


def connected(road: Road, username: str = GATEWAY) -> aiomqtt.Client:
    """A connection to the broker with the real gateway's password, beside the agent's own."""
    password = road.layout.gateway_password.read_text().strip()
    port = urlsplit(road.ready["mqtt"]).port
    assert port is not None
    return aiomqtt.Client("127.0.0.1", port, username=username, password=password)


@contextlib.asynccontextmanager
async def as_the_gateway(road: Road) -> AsyncIterator[Gateway]:
    """A gateway that says what the test wants, under the real one's name."""
    async with connected(road) as client, asyncio.TaskGroup() as tasks:
        one = Gateway(client, GATEWAY)
        await client.subscribe(topic(GATEWAY, Channel.ACK), qos=1)
        listener = tasks.create_task(one.listen())
        yield one
        listener.cancel()


async def refused(road: Road, role: str = "technician") -> Counter[str]:
    """What the hub says that it refused of this gateway, by reason."""
    headers = {"Authorization": f"Bearer {road.token_for(role)}"}
    async with httpx.AsyncClient(base_url=road.hub, headers=headers) as client:
        answer = await client.get("/ingest/counters")
    assert answer.status_code == 200, answer.text
    return Counter(answer.json()["data"]["refused"].get(GATEWAY, {}))


async def acknowledged(one: Gateway) -> Any:
    """The next acknowledgement of this connection's own outbox epoch: the agent's are heard too."""
    while (answer := await one.acknowledgement()).epoch != one.epoch:
        pass
    return answer


def reading(road: Road, **changed: object) -> Reading:
    cuff = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id=road.device(CUFF)["device_id"])
    return pressure(121, 81, **({"device": cuff} | changed))


def entry(road: Road, sequence: int, **changed: object) -> dict[str, Any]:
    """A reading's entry as JSON, with members replaced."""
    document: dict[str, Any] = msgspec.to_builtins(ReadingEntry(sequence=sequence, reading=reading(road)))
    document["reading"] |= changed
    return document


async def a_reading_still_arrives(road: Road) -> None:
    """From the cuff itself, through the agent, to a client."""
    cuff = road.device(CUFF)
    systolic = 100 + next(_measurements) % 40  # equal numbers in one second are one measurement to the hub, sent again
    rooms = len(AUTO_SUBSCRIPTIONS["patient"])
    async with asyncio.timeout(WAIT_SECONDS), watched(road, f"patient/{cuff['patient_id']}", rooms=rooms) as socket:
        await road.order(do="measure", device_id=cuff["device_id"], systolic=systolic, diastolic=61)
        await message_with(socket, "vitals_update", blood_pressure={"systolic": systolic, "diastolic": 61})


@pytest.fixture(autouse=True)
async def _the_road_goes_on(road: Road) -> AsyncIterator[None]:
    yield
    await a_reading_still_arrives(road)
    assert "Traceback" not in (road.layout.logs / "hub.log").read_text()
    report = status.read(road.layout.gateway_state)
    assert report is not None
    assert report.mqtt.connected


async def test_messages_that_are_none_are_counted_by_reason_and_logged_once_without_content(road: Road):
    before = await refused(road)
    async with as_the_gateway(road) as one:
        for payload, _ in MESSAGES.values():
            await one.send_bytes(payload)
        await one.send(*entries([reading(road)]), gateway="another-gateway")
        await one.send(*entries([reading(road)]), sent=datetime.now(UTC) + timedelta(days=400))
    expected = Counter(reason for _, reason in MESSAGES.values()) + Counter(["foreign_gateway", "impossible_time"])

    async def counted() -> bool:
        return await refused(road) - before == expected

    await eventually(counted)
    logged = re.findall(r"gateway (\S+): a message was refused: (\w+)", (road.layout.logs / "hub.log").read_text())
    assert len(logged) == len(set(logged)) >= len(expected)
    assert {(GATEWAY, reason) for reason in expected} <= set(logged)


async def test_bad_entries_amid_good_ones_are_answered_as_rejected_and_the_good_are_committed(road: Road):
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    bad = {n: entry(road, n, **changed) for n, changed in enumerate(MALFORMED.values(), 1)}
    wrong_times = {n: entry(road, n, measured=at) for n, at in enumerate((*TIMES, ahead), 100)}
    stranger = {"device_type": CUFF, "device_id": "BP-404"}
    unknown = {200: entry(road, 200, device=stranger)}
    good = [ReadingEntry(sequence=n, reading=reading(road)) for n in (50, 150, 250)]
    before = await refused(road)
    async with asyncio.timeout(WAIT_SECONDS), as_the_gateway(road) as one:
        await one.send(*bad.values(), good[0], *wrong_times.values(), good[1], *unknown.values(), good[2])
        answer = await acknowledged(one)
    expected = (
        dict.fromkeys(bad, RejectionReason.MALFORMED)
        | dict.fromkeys(wrong_times, RejectionReason.IMPOSSIBLE_TIME)
        | dict.fromkeys(unknown, RejectionReason.UNKNOWN_DEVICE)
    )
    assert {rejection.sequence: rejection.reason for rejection in answer.rejected} == expected
    assert answer.committed == [(50, 50), (150, 150), (250, 250)]
    assert await refused(road) - before == Counter(expected.values())


async def test_the_broker_fences_a_gateway_to_its_own_topics_and_lets_no_stranger_in(road: Road):
    """What the broker drops never reaches the hub, so there is nothing for it to count."""
    before = await refused(road)
    with contextlib.suppress(aiomqtt.MqttError):  # the broker may end the connection, or just drop the message
        async with connected(road) as client:
            await client.publish(topic("another-gateway", Channel.READINGS), b"[]", qos=1)
    async with as_the_gateway(road) as one:
        await one.send_bytes(b"{")
    await eventually(lambda: _grew(road, before, "malformed"))
    assert (await refused(road) - before) == {"malformed": 1}
    with pytest.raises(aiomqtt.MqttError):
        async with connected(road, username="another-gateway"):
            pytest.fail("the broker let it in")


async def _grew(road: Road, before: Counter[str], reason: str) -> bool:
    return (await refused(road))[reason] > before[reason]


async def test_what_is_no_request_is_answered_with_a_problem_document(road: Road):
    port = urlsplit(road.hub).port
    assert port is not None
    for name, (said, expected) in (NO_HTTP | HANDSHAKES).items():
        answer = await exchanged(port, said)
        assert (answer.status, answer.media_type) == (expected, "application/problem+json"), name


async def test_a_bad_websocket_message_costs_an_error_and_no_connection(road: Road):
    async with asyncio.timeout(WAIT_SECONDS), websockets.connect(f"{road.live}/ws?token={road.token}") as socket:
        for text, code in (*BAD.values(), (b"\x00\xff", "bad_message")):
            await socket.send(text)
            answer = json.loads(await socket.recv())
            assert (answer["type"], answer["code"]) == ("error", code)
        await socket.send(json.dumps({"type": "ping"}))
        assert json.loads(await socket.recv())["type"] == "pong"
