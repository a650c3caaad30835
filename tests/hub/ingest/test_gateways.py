"""Gateways and their devices come and go: what clients are told, on a real broker, a real Redis and a real database."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from hub.ingest import device_status
from hub.record.schema import devices, gateways
from hub.rooms.messages import Message, RoomAddress
from hub.rooms.rooms import Rooms
from tests.hub.ingest.support import HOSPITAL, OXIMETER, Gateway, filled, gateway, ingesting, now, room, rows
from tests.support.waiting import eventually
from vitals.envelope import DeviceEvent, DeviceEventEntry, DeviceEventKind, GatewayState, OutboxStarted, encode
from vitals.topics import Channel

FIRST = 2**40
"""A session above any that another test has left on the broker, which retains states."""
STATUS_ROOM = f"device:{OXIMETER}:status"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status is announced soon, so that no test waits for it."""
    monkeypatch.setattr(device_status, "STATUS_SECONDS", 0.02)


@pytest.fixture
async def road(tmp_path, redis_server, mosquitto_server):
    """Record, rooms and a gateway that the hub listens to."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'record.sqlite3'}"
    async with (
        ingesting(url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        yield record, rooms, one


def event(sequence: int, kind: DeviceEventKind, at: datetime | None = None, **fields: object) -> DeviceEventEntry:
    happened = DeviceEvent(kind=kind, device=OXIMETER, at=at or now(), **fields)
    return DeviceEventEntry(sequence=sequence, event=happened)


async def say(one: Gateway, *entries: object, **changed: object) -> None:
    await one.send(*entries, channel=Channel.EVENTS, **changed)
    await one.acknowledgement()


async def state(one: Gateway, session: int, *, online: bool) -> None:
    await one.send_bytes(encode(GatewayState(online=online, session=session, at=now())), Channel.STATE)


async def read(rooms: Rooms, size: int) -> tuple[Message, ...]:
    """The messages of the oximeter's status room, as soon as there are `size`."""
    await filled(rooms, STATUS_ROOM, size)
    outcome = await rooms.history(RoomAddress(hospital_id=HOSPITAL, room=STATUS_ROOM), since=None, limit=100)
    return outcome.messages


async def seen(rooms: Rooms, size: int) -> list[tuple[str, str | None]]:
    """Event and status, or reason, of what the oximeter's status room was told, as soon as it is `size` messages."""
    messages = await filled(rooms, STATUS_ROOM, size)
    return [(name, data.get("status", data.get("reason"))) for name, data in messages]


async def told(rooms: Rooms, status: str) -> None:
    """Wait until the status that was announced last is this one."""

    async def is_it() -> bool:
        messages = [data["status"] for name, data in await room(rooms, STATUS_ROOM) if name == "device.status.change"]
        return messages[-1:] == [status]

    await eventually(is_it, seconds=30)


async def test_a_gateway_that_is_gone_takes_its_devices_along_and_brings_them_back(road):
    record, rooms, one = road
    await state(one, FIRST + 5, online=True)
    await say(one, event(1, DeviceEventKind.CONNECTED, status="online"))
    await told(rooms, "online")
    await state(one, FIRST + 5, online=False)
    await told(rooms, "gateway_offline")
    await state(one, FIRST + 6, online=True)
    await told(rooms, "online")
    (row,) = [row for row in await rows(record, devices) if row["device_id"] == OXIMETER.device_id]
    assert row["status"] == "online"


async def test_a_late_will_does_not_end_a_newer_session(road):
    record, _, one = road
    await state(one, FIRST + 6, online=True)
    await state(one, FIRST + 5, online=False)
    await state(one, FIRST + 7, online=False)
    await state(one, FIRST + 6, online=True)

    async def settled() -> bool:
        (row,) = [row for row in await rows(record, gateways) if row["gateway_id"] == one.name]
        return row["session"] == FIRST + 7

    await eventually(settled)
    (row,) = [row for row in await rows(record, gateways) if row["gateway_id"] == one.name]
    assert not row["online"]


async def test_an_agent_that_starts_again_has_no_device_connected(road):
    _, rooms, one = road
    await say(one, event(2, DeviceEventKind.CONNECTED, status="online"))
    await told(rooms, "online")
    one.epoch = "another"
    await say(one, OutboxStarted(sequence=1, previous_epoch=None, previous_top=0, at=now()))
    await told(rooms, "offline")
    assert (await seen(rooms, 4))[-2:] == [
        ("device.disconnected", "agent_restarted"),
        ("device.status.change", "offline"),
    ]


async def test_the_backlog_of_an_agent_that_was_killed_changes_nothing_and_is_marked_late(road):
    record, rooms, one = road
    old, one.epoch = one.epoch, "another"
    await say(one, OutboxStarted(sequence=1, previous_epoch=old, previous_top=9, at=now()))
    await say(one, event(2, DeviceEventKind.CONNECTED, status="online"))
    await told(rooms, "online")
    await say(one, event(8, DeviceEventKind.DISCONNECTED, now() - timedelta(seconds=60), status="offline"), epoch=old)
    messages = await read(rooms, 3)
    assert [(message.event, message.members.endswith(b'"late":true')) for message in messages] == [
        ("device.connected", False),
        ("device.status.change", False),
        ("device.disconnected", True),
    ]
    (row,) = [row for row in await rows(record, devices) if row["device_id"] == OXIMETER.device_id]
    assert row["status"] == "online"


async def test_a_fault_that_waited_out_an_outage_is_late(road):
    _, rooms, one = road
    await say(one, event(1, DeviceEventKind.FAULT, now() - timedelta(minutes=6), reason="garbage"))
    (message,) = await read(rooms, 1)
    assert (message.event, b'"late":true' in message.members) == ("device.alert", True)


async def test_a_status_that_flaps_is_announced_once_as_it_is_in_the_end_also_by_another_owner(
    tmp_path, redis_server, mosquitto_server, monkeypatch: pytest.MonkeyPatch
):
    """What is due stands in the record: the owner that saw it flap is gone before its second is over."""
    monkeypatch.setattr(device_status, "STATUS_SECONDS", 3600)
    services = f"sqlite+aiosqlite:///{tmp_path / 'record.sqlite3'}", redis_server.url, mosquitto_server.port, tmp_path
    online, offline = (DeviceEventKind.CONNECTED, "online"), (DeviceEventKind.DISCONNECTED, "offline")
    async with ingesting(*services) as (record, rooms, _), gateway(mosquitto_server.port) as one:
        for sequence, (kind, status) in enumerate([online, offline, online, offline], 1):
            await say(one, event(sequence, kind, status=status))
        (due,) = [row["status_due"] for row in await rows(record, devices) if row["device_id"] == OXIMETER.device_id]
        assert due - now() < timedelta(seconds=3600), "a later change does not put it off"
        assert [name for name, _ in await seen(rooms, 4)] == ["device.connected", "device.disconnected"] * 2
        async with record.engine.writing() as connection:
            await connection.execute(update(devices).values(status_due=now()))
    async with ingesting(*services, name="hub-2") as (record, rooms, _):
        await told(rooms, "offline")
        assert [status for name, status in await seen(rooms, 5) if name == "device.status.change"] == ["offline"]
        assert {row["status_due"] for row in await rows(record, devices)} == {None}


async def test_a_state_that_can_not_be_is_counted(tmp_path, redis_server, mosquitto_server):
    url = f"sqlite+aiosqlite:///{tmp_path / 'record.sqlite3'}"
    async with (
        ingesting(url, redis_server.url, mosquitto_server.port, tmp_path) as (_, _, ingest),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send_bytes(b'{"v":1,"online":"perhaps"}', Channel.STATE)
        await eventually(lambda: ingest.counters.refused["malformed"] == 1)
