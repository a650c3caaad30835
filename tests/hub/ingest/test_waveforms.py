"""Waveforms through the whole hub, on a real broker, Redis and database: to the patient who holds the device, live, and to nobody's harm."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bedside.services.mosquitto import Mosquitto
from bedside.services.redis import Redis
from hub.rooms.messages import RoomAddress
from hub.rooms.rooms import room_key
from tests.hub.ingest import support
from tests.hub.ingest.flooding import flooding
from tests.hub.ingest.support import Gateway, chunk, entries, gateway, ingesting, now, pressure
from tests.hub.rest.conftest import WholeHub, hub
from tests.support.hub import PATIENT, receive
from tests.support.waiting import eventually
from vitals.identifiers import DeviceKey, DeviceType
from vitals.waveform_envelope import MAX_WAVEFORM_BYTES, encode_chunk, encode_waveforms

__all__ = ["hub"]

pytestmark = pytest.mark.slow

OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="oximeter-1")
SPARE = DeviceKey(device_type=DeviceType.THERMOMETER, device_id="spare-1")
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="cuff-1")
NOBODYS = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="nobody-knows-it")
WAVEFORMS, ALERTS = f"patient:{PATIENT}:waveforms", f"patient:{PATIENT}:alerts"
WAIT_SECONDS = 30


def good(number: int, **changed: object) -> Any:
    return chunk((number,), device=OXIMETER, **changed)


@contextlib.asynccontextmanager
async def watching(hub: WholeHub, *rooms: str) -> AsyncIterator[Any]:
    async with hub.connect("/realtime/ws") as client:
        await client.send(json.dumps({"type": "subscribe", "rooms": rooms}))
        assert {(await receive(client))["status"] for _ in rooms} == {"subscribed"}
        yield client


async def counters(hub: WholeHub) -> dict[str, Any]:
    return (await hub.get("/ingest/counters", "admin", hospitals=["*"])).json()["data"]


async def told(client: Any, one: Gateway) -> list[int]:
    """The samples of everything up to a last chunk."""
    await one.send_samples(good(99))
    numbers: list[int] = []
    while 99 not in numbers:
        numbers += (await receive(client, until="patient_waveform"))["data"]["samples"]
    return numbers[:-1]


async def test_a_gap_and_the_devices_own_words_reach_the_client(hub: WholeHub, mosquitto_server: Mosquitto):
    started = now()
    async with gateway(mosquitto_server.port) as one, watching(hub, WAVEFORMS) as client:
        await one.send_samples(chunk((1, None, 127), device=OXIMETER, started=started, gap_before=True))
        message = await receive(client, until="patient_waveform")
    assert message["data"] == {
        "patient_id": PATIENT,
        "signal": "plethysmogram",
        "rate_hz": 60,
        "start": started.isoformat().replace("+00:00", "Z"),
        "samples": [1, None, 127],
        "scale": {"low": 0, "high": 127},
        "unit": "1",
        "device_id": "oximeter-1",
        "device_type": "pulse_oximeter",
        "gap": True,
    }
    assert not {"epoch", "offset", "n"} & message.keys()


async def test_what_is_bad_is_counted_and_spoils_nothing_beside_it(hub: WholeHub, mosquitto_server: Mosquitto):
    sound = encode_chunk(good(1))
    bad = sound.replace(b"[1]", b"[-1]")
    batches = [
        *(b"", b"[" * 50_000, b"\xff", bytes(MAX_WAVEFORM_BYTES + 1), sound),
        encode_waveforms(gateway="gw-2", sent=now(), chunks=[sound]),
        encode_waveforms(gateway="gw-1", sent=now(), chunks=[sound]).replace(b'"v":1', b'"v":9'),
        encode_waveforms(gateway="gw-1", sent=now(), chunks=[bad, encode_chunk(good(2)), b'{"none": 1}']),
    ]
    async with (
        gateway(mosquitto_server.port) as one,
        watching(hub, WAVEFORMS) as client,
        watching(hub, ALERTS) as nurse,
    ):
        for payload in batches:
            await one.send_live(payload)
        await one.send_samples(chunk((5,), device=NOBODYS), chunk((5,), device=SPARE), good(3))
        await one.send_samples(good(5, started=now() + timedelta(days=3)), good(4))
        await one.send(*entries([pressure(150, 95, device=CUFF)]))
        assert await told(client, one) == [2, 3, 4]
        assert (await receive(nurse, until="patient_alert"))["data"]["alert_type"] == "high_blood_pressure"
        answer = await counters(hub)
    assert answer["refused"]["gw-1"] == {
        "waveform_malformed": 6,
        "waveform_oversized": 1,
        "waveform_foreign_gateway": 1,
        "waveform_unknown_version": 1,
        "waveform_unknown_device": 1,
        "waveform_impossible_time": 1,
    }
    assert answer["taken"]["waveform_chunks"] >= 4
    assert answer["taken"]["waveform_chunks_unassigned"] == 1
    assert answer["taken"]["entries"] == 1


async def test_a_gateway_that_has_not_the_device_is_refused(hub: WholeHub, mosquitto_server: Mosquitto):
    async with (
        gateway(mosquitto_server.port) as one,
        gateway(mosquitto_server.port, "gw-2") as unknown,
        watching(hub, WAVEFORMS) as client,
    ):
        await unknown.send_samples(good(5))
        assert await told(client, one) == []

        async def refused() -> bool:
            return (await counters(hub))["refused"].get("gw-2") == {"waveform_unknown_gateway": 1}

        await eventually(refused, seconds=WAIT_SECONDS)


async def sent_until_taken(one: Gateway, ingest: Any) -> None:
    """Until a message of an unknown form is counted: the hub's own connection for waveforms stands, and has nothing older before it."""

    async def counted() -> bool:
        await one.send_live(b"x")
        return ingest.counters.refused_from["gw-1"]["waveform_malformed"] > 0

    await eventually(counted, seconds=WAIT_SECONDS)


async def test_of_two_processes_only_the_owner_tells(
    tmp_path: Path, redis_server: Redis, mosquitto_server: Mosquitto, postgres_url: str
):
    room = room_key(RoomAddress(hospital_id=support.HOSPITAL, room=f"patient:{support.PATIENT}:waveforms"))
    both = contextlib.AsyncExitStack()
    async with both:
        one = await both.enter_async_context(gateway(mosquitto_server.port))
        first = ingesting(postgres_url, redis_server.url, mosquitto_server.port, tmp_path, name="hub-1")
        _, rooms, owner = await both.enter_async_context(first)
        standby = await both.enter_async_context(standing_by(postgres_url, redis_server, mosquitto_server, tmp_path))
        listening = rooms.client.pubsub()
        both.push_async_callback(listening.aclose)
        await listening.subscribe(room)
        await sent_until_taken(one, owner)
        for number in range(3):
            await one.send_samples(chunk((number,)))
        heard: list[bytes] = []
        async with asyncio.timeout(WAIT_SECONDS):
            while len(heard) < 3:
                message = await listening.get_message(ignore_subscribe_messages=True, timeout=1)
                heard += message["data"].split(b"\n")[2::3] if message else []
        assert [msgspec.json.decode(data)["samples"] for data in heard] == [[0], [1], [2]]
        assert (standby.counters.taken, standby.counters.refused) == (Counter(), Counter())
        assert owner.counters.taken["waveform_chunks"] == 3


@contextlib.asynccontextmanager
async def standing_by(url: str, redis: Redis, mosquitto: Mosquitto, folder: Path) -> AsyncIterator[Any]:
    """A second ingest, subscribed like the first, that does not get the lease."""
    record, rooms, ingest = await support.made(url, redis.url, mosquitto.port, folder, name="hub-2")
    task = asyncio.create_task(ingest.run())
    try:
        await eventually(lambda: ingest.waveforms_connected, seconds=WAIT_SECONDS)
        yield ingest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rooms.close()
        await record.close()


async def test_a_flood_of_waveforms_delays_no_alert(hub: WholeHub, mosquitto_server: Mosquitto):
    """Most of it is dropped, and an alert waits for what is being worked on, never for what waits."""
    delays: list[float] = []
    loop = asyncio.get_running_loop()
    async with (
        flooding(mosquitto_server.port, OXIMETER.device_id),
        gateway(mosquitto_server.port) as one,
        watching(hub, ALERTS) as client,
    ):

        async def dropping() -> bool:
            return (await counters(hub))["taken"].get("waveform_messages_dropped", 0) > 20

        await eventually(dropping, seconds=WAIT_SECONDS)
        for sequence in range(1, 11):
            began = loop.time()
            await one.send(*entries([pressure(150, 90 + sequence, device=CUFF)], first=sequence))
            await receive(client, until="patient_alert")
            delays.append(loop.time() - began)
    assert sorted(delays)[len(delays) // 2] < 1.0, delays
