"""What ingest refused, as those see it who look after gateways."""

import aiomqtt
import pytest

from bedside.services.mosquitto import Mosquitto
from tests.conftest import GATEWAY_PASSWORD
from tests.hub.rest.conftest import WholeHub
from tests.support.waiting import eventually
from vitals.identifiers import GatewayId
from vitals.topics import Channel, topic

PATH = "/ingest/counters"


async def refusals(hub: WholeHub, role: str = "technician", **scope: object) -> dict[GatewayId, dict[str, int]]:
    answer = await hub.get(PATH, role, **scope)
    assert answer.status_code == 200, answer.text
    refused: dict[GatewayId, dict[str, int]] = answer.json()["data"]["refused"]
    return refused


async def say(mosquitto: Mosquitto, gateway: GatewayId, payload: bytes) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, username=gateway, password=GATEWAY_PASSWORD) as client:
        await client.publish(topic(gateway, Channel.READINGS), payload, qos=1)


async def test_refusals_are_shown_by_gateway_and_reason_to_those_who_watch_its_devices(
    hub: WholeHub, mosquitto_server: Mosquitto
):
    """gw-3 is a user of the broker that no hospital has registered."""
    for gateway, payload in (("gw-1", b"{"), ("gw-1", b"[]"), ("gw-1", b'{"v":9}'), ("gw-3", b"{")):
        await say(mosquitto_server, gateway, payload)
    own = {"gw-1": {"malformed": 2, "unknown_version": 1}}

    async def everything() -> bool:
        return await refusals(hub, "admin", hospitals=["*"]) == own | {"gw-3": {"malformed": 1}}

    await eventually(everything)
    assert await refusals(hub) == own
    assert await refusals(hub, hospitals=["another"]) == {}
    assert await refusals(hub, "viewer", patients=["507f1f77bcf86cd799439011"]) == {}


async def test_prometheus_is_told_by_reason_and_not_by_gateway(hub: WholeHub, mosquitto_server: Mosquitto):
    for payload in (b"{", b"[]", b'{"v":9}'):
        await say(mosquitto_server, "gw-1", payload)

    async def counted() -> str | None:
        text = (await hub.get("/metrics", "admin", hospitals=["*"])).text
        reasons = ('{reason="malformed"} 2.0', '{reason="unknown_version"} 1.0')
        return text if all(f"bedside_ingest_refused_total{reason}" in text for reason in reasons) else None

    text = await eventually(counted)
    assert "gw-1" not in text
    assert 'bedside_record_pool_connections{state="in_use"}' in text
    assert "bedside_ingest_alive 1.0" in text


async def test_what_was_taken_is_counted_too(hub: WholeHub):
    assert (await hub.get(PATH, "technician")).json()["data"] == {"taken": {}, "refused": {}}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
async def test_without_a_token_there_is_no_answer(hub: WholeHub, headers: dict[str, str]):
    assert (await hub.http.get(PATH, headers=headers)).status_code == 401
