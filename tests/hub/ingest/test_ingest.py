"""Ingest on a real broker, a real Redis and both databases: what is acknowledged is recorded, once, and published in order."""

from datetime import timedelta

import msgspec
from redis.asyncio import Redis

from hub.errors import RecordUnavailable
from hub.ingest.broker import Broker, Delivery
from hub.ingest.transaction import Transaction
from hub.record.schema import announcements, episodes, losses, outbox_fates, ownership, readings
from hub.rooms.messages import Position, RoomAddress
from tests.hub.ingest.support import (
    CUFF,
    HOSPITAL,
    OXIMETER,
    PATIENT,
    SPARE,
    count,
    entries,
    filled,
    gateway,
    ingesting,
    now,
    pressure,
    room,
    rows,
)
from tests.support.waiting import eventually
from vitals.envelope import (
    DeviceEvent,
    DeviceEventEntry,
    DeviceEventKind,
    OutboxStarted,
    ReadingEntry,
    RejectionReason,
    Tombstone,
)
from vitals.parameters import Parameter, Vital
from vitals.readings import Reason, measured_value, missing_value
from vitals.topics import Channel


async def test_an_acknowledged_reading_is_recorded_and_published(
    database_url, redis_server, mosquitto_server, tmp_path
):
    """Delivery rule 14: the acknowledgement comes after the commit."""
    async with (
        ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send(*entries([pressure(120, 80), pressure(150, 95)]))
        acknowledged = await one.acknowledgement()
        assert (acknowledged.epoch, acknowledged.committed, acknowledged.rejected) == (one.epoch, [(1, 2)], [])
        recorded = await rows(record, readings)
        assert [row["sequence"] for row in recorded] == [1, 2]
        assert {row["patient_id"] for row in recorded} == {PATIENT}
        vitals = await filled(rooms, f"patient:{PATIENT}:vitals", 2)
        assert vitals[1][1]["blood_pressure"] == {"systolic": 150, "diastolic": 95}
        assert len(await filled(rooms, "device:blood_pressure_monitor:BP-1", 2)) == 2
        ((event, alert),) = await filled(rooms, f"patient:{PATIENT}:alerts", 1)
        assert event == "patient.alert"
        assert alert["message"] == "High blood pressure detected: 150/95"
        assert (alert["alert_type"], alert["severity"], alert["repeat"]) == ("high_blood_pressure", "warning", 1)
        assert alert["data"] == {"systolic": 150, "diastolic": 95, "device_id": "BP-1"}
        assert len(await filled(rooms, f"hospital:{HOSPITAL}:alerts", 1)) == 1
        assert len(await filled(rooms, f"ward:{HOSPITAL}:w1:vitals", 2)) == 2


async def test_repeats_change_nothing_and_are_answered_with_their_fate(
    database_url, redis_server, mosquitto_server, tmp_path
):
    """Delivery rules 9 and 10."""
    unknown = msgspec.structs.replace(CUFF, device_id="BP-404")
    sent = [*entries([pressure(120, 80)]), ReadingEntry(sequence=2, reading=pressure(1, 1, device=unknown))]
    async with (
        ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, ingest),
        gateway(mosquitto_server.port) as one,
    ):
        answers = []
        for _ in range(3):
            await one.send(*sent)
            answers.append(await one.acknowledgement())
        assert [answer.committed for answer in answers] == [[(1, 1)]] * 3
        assert [[r.reason for r in answer.rejected] for answer in answers] == [[RejectionReason.UNKNOWN_DEVICE]] * 3
        assert await count(record, readings) == 1
        assert len(await filled(rooms, f"patient:{PATIENT}:vitals", 1)) == 1
        assert ingest.counters.taken["repeats"] == 4


async def test_a_new_owner_greets_with_what_is_committed_and_goes_on(
    database_url, redis_server, mosquitto_server, tmp_path
):
    """Delivery rules 8 and 12: memory is loaded after the token, and an episode goes on over owners."""
    async with gateway(mosquitto_server.port) as one:
        async with ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _):
            await one.send(*entries([pressure(150, 95)]))
            await one.acknowledgement()
            await filled(rooms, f"patient:{PATIENT}:alerts", 1)
        async with ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path, name="hub-2") as (
            record,
            rooms,
            _,
        ):
            greeting = await one.greeting()
            while one.epoch not in greeting.committed:
                greeting = await one.greeting()
            assert greeting.committed[one.epoch] == [(1, 1)]
            await one.send(*entries([pressure(151, 96)], first=2))
            await one.acknowledgement()
            alerts = await filled(rooms, f"patient:{PATIENT}:alerts", 2)
            assert [alert["repeat"] for _, alert in alerts] == [1, 2]
            assert len({alert["episode_id"] for _, alert in alerts}) == 1
            assert await count(record, episodes) == 1


async def test_a_reading_within_limits_ends_the_episode_and_a_missing_one_does_not(
    sqlite_url, redis_server, mosquitto_server, tmp_path
):
    failed = pressure(
        1,
        1,
        values=tuple(missing_value(p, Reason.MEASUREMENT_FAILED) for p in (Parameter.SYSTOLIC, Parameter.DIASTOLIC)),
    )
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send(*entries([pressure(150, 95), failed, pressure(160, 80), pressure(120, 80), pressure(141, 80)]))
        await one.acknowledgement()
        alerts = [alert for _, alert in await filled(rooms, f"patient:{PATIENT}:alerts", 3)]
        assert [alert["repeat"] for alert in alerts] == [1, 2, 1]
        assert alerts[0]["episode_id"] == alerts[1]["episode_id"] != alerts[2]["episode_id"]
        assert sorted(row["ended"] is None for row in await rows(record, episodes)) == [False, True]


async def test_a_late_reading_is_recorded_and_never_sounds(sqlite_url, redis_server, mosquitto_server, tmp_path):
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        overtaken = pressure(171, 100, at=now() - timedelta(seconds=60), stored=True)
        await one.send(*entries([pressure(170, 100, at=now() - timedelta(minutes=6)), pressure(120, 80), overtaken]))
        await one.acknowledgement()
        assert [row["late"] for row in await rows(record, readings)] == [True, False, True]
        assert len(await filled(rooms, f"patient:{PATIENT}:vitals", 3)) == 3
        assert await room(rooms, f"patient:{PATIENT}:alerts") == []


async def test_what_nobody_holds_or_no_clock_can_place_goes_to_the_tray(
    sqlite_url, redis_server, mosquitto_server, tmp_path
):
    spare = pressure(
        150, 95, device=SPARE, data_type=Vital.TEMPERATURE, values=(measured_value(Parameter.TEMPERATURE, 37),)
    )
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send(*entries([spare, pressure(170, 100, time_uncertain=True)]))
        await one.acknowledgement()
        assert [row["patient_id"] for row in await rows(record, readings)] == [None, None]
        assert len(await filled(rooms, "device:thermometer:TH-9", 1)) == 1
        assert await room(rooms, f"patient:{PATIENT}:vitals") == []
        assert await count(record, announcements) == 0


async def test_a_stored_measurement_that_is_resent_is_one_reading(sqlite_url, redis_server, mosquitto_server, tmp_path):
    at = now()
    first = pressure(120, 80, at=at, device_time=at.replace(tzinfo=None, microsecond=0))
    again = msgspec.structs.replace(first, stored=True, measured=at - timedelta(seconds=1))
    other = msgspec.structs.replace(again, raw=b"other bytes")
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, _, _),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send(*entries([first]))
        await one.acknowledgement()
        await one.send(*entries([again, other, other], first=2))
        assert (await one.acknowledgement()).committed == [(2, 4)]
        assert await count(record, readings) == 2


async def test_a_reading_measured_after_it_was_sent_is_of_no_certain_time(
    sqlite_url, redis_server, mosquitto_server, tmp_path
):
    """A gateway's clock was set back, or a device's runs ahead: recorded, never judged, and it makes nothing late."""
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send(*entries([pressure(170, 100, at=now() + timedelta(hours=1)), pressure(150, 95)]))
        await one.acknowledgement()
        recorded = await rows(record, readings)
        assert [(row["time_uncertain"], row["patient_id"]) for row in recorded] == [(True, None), (False, PATIENT)]
        assert [row["late"] for row in recorded] == [True, False]
        assert len(await filled(rooms, f"patient:{PATIENT}:alerts", 1)) == 1


async def test_the_broker_may_forget_what_could_not_be_committed(
    sqlite_url, redis_server, mosquitto_server, tmp_path, monkeypatch
):
    """Else its window fills up, failure by failure, and nothing comes any more; the outboxes send again."""
    released = 0
    acknowledge = Broker.acknowledge

    def count_released(broker: Broker, delivery: Delivery) -> None:
        nonlocal released
        released += 1
        acknowledge(broker, delivery)

    async def refuse(_: Transaction) -> None:
        raise RecordUnavailable("the disk is away")

    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, _, _),
        gateway(mosquitto_server.port) as one,
    ):
        with monkeypatch.context() as patched:
            patched.setattr(Broker, "acknowledge", count_released)
            patched.setattr(Transaction, "write", refuse)
            for sequence in range(1, 21):
                await one.send(*entries([pressure(120, 80)], first=sequence))
            await eventually(lambda: released == 20)
        await one.greeting()

        async def taken() -> bool:
            await one.send(*entries([pressure(121, 81)], first=21))
            return await count(record, readings) > 0

        await eventually(taken)


async def test_tombstones_and_starts_are_recorded(database_url, redis_server, mosquitto_server, tmp_path):
    """Delivery rules 2 and 3: the first committed of reading and tombstone decides a sequence."""
    async with (
        ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, _, _),
        gateway(mosquitto_server.port) as one,
    ):
        start = OutboxStarted(sequence=1, previous_epoch="before", previous_top=41, at=now())
        await one.send(start, Tombstone(sequence=2, at=now(), reason="disk full"), channel=Channel.EVENTS)
        assert (await one.acknowledgement()).committed == [(1, 2)]
        await one.send(*entries([pressure(120, 80)], first=2))
        assert (await one.acknowledgement()).committed == [(2, 2)]
        assert await count(record, readings) == 0
        assert [row["sequence"] for row in await rows(record, losses)] == [2]
        (fates,) = await rows(record, outbox_fates)
        assert (fates["previous_epoch"], fates["previous_top"]) == ("before", 41)


async def test_device_events_reach_the_devices_rooms(sqlite_url, redis_server, mosquitto_server, tmp_path):
    def event(kind: DeviceEventKind, **fields: object) -> DeviceEvent:
        return DeviceEvent(kind=kind, device=OXIMETER, at=now(), **fields)

    happened = [
        event(DeviceEventKind.CONNECTED),
        event(DeviceEventKind.STATUS, battery_percent=40),
        event(DeviceEventKind.STATUS, battery_percent=40),
        event(DeviceEventKind.DISCONNECTED, reason="link lost"),
        event(DeviceEventKind.FAULT, reason="garbage"),
    ]
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (_, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send(
            *(DeviceEventEntry(sequence=n, event=event) for n, event in enumerate(happened, 1)), channel=Channel.EVENTS
        )
        await one.acknowledgement()
        seen = await filled(rooms, "device:pulse_oximeter:OX-1:status", 4)
    names = [name for name, _ in seen]
    assert names == ["device.connected", "device.disconnected", "device.alert", "device.status.change"]
    assert seen[-1][1]["status"] == "offline", "what it was a second later"


async def test_bad_messages_are_counted_and_the_road_goes_on(sqlite_url, redis_server, mosquitto_server, tmp_path):
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, _, ingest),
        gateway(mosquitto_server.port) as one,
    ):
        for payload in (b"", b"\xff\x00garbage", b'{"v":1}', b'{"v":9}', b"[" * 5000, b" " * 300_000):
            await one.send_bytes(payload)
        await one.send(*entries([pressure(1, 1)]), gateway="gw-2")
        bad = {"type": "reading", "sequence": 7, "reading": {"data_type": "nonsense"}}
        await one.send(bad, {"type": "reading"}, *entries([pressure(120, 80)], first=8))
        acknowledged = await one.acknowledgement()
        assert acknowledged.committed == [(8, 8)]
        assert [(r.sequence, r.reason) for r in acknowledged.rejected] == [(7, RejectionReason.MALFORMED)]
        await eventually(lambda: ingest.counters.refused["foreign_gateway"] == 1)
        assert ingest.counters.refused["unknown_version"] == 1
        assert ingest.counters.refused["oversized"] == 1
        assert ingest.counters.refused[RejectionReason.MALFORMED] == 6
        assert await count(record, readings) == 1


async def test_another_gateways_device_is_refused(sqlite_url, redis_server, mosquitto_server, tmp_path):
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path),
        gateway(mosquitto_server.port, "gw-2") as two,
    ):
        await two.send(*entries([pressure(120, 80)]))
        (rejection,) = (await two.acknowledgement()).rejected
        assert rejection.reason is RejectionReason.OTHER_GATEWAY


async def test_n_advances_by_one_a_message_and_publication_is_marked(
    database_url, redis_server, mosquitto_server, tmp_path
):
    """Delivery rules 16 and 22."""
    async with (
        ingesting(database_url, redis_server.url, mosquitto_server.port, tmp_path) as (record, rooms, _),
        gateway(mosquitto_server.port) as one,
    ):
        await one.send(*entries([pressure(150, 95), pressure(120, 80)]))
        await one.acknowledgement()
        (recorded, alert) = await rows(record, readings), await rows(record, announcements)
        numbers = [n for row in recorded for n in (row["n_data"], row["n_vitals"])] + [row["n"] for row in alert]
        assert sorted(numbers) == [1, 2, 3, 4, 5]

        async def through() -> bool:
            return {row["hospital_id"]: row["published_through"] for row in await rows(record, ownership)}[
                HOSPITAL
            ] == 5

        await eventually(through)
        assert (await rooms.top(HOSPITAL)).n == 5


async def test_what_redis_lost_is_published_again_in_order(sqlite_url, redis_server, mosquitto_server, tmp_path):
    """Delivery rules 19 and 23: the same rows, the same messages, under a new stream epoch."""
    async with (
        ingesting(sqlite_url, redis_server.url, mosquitto_server.port, tmp_path) as (_, rooms, _),
        gateway(mosquitto_server.port) as one,
        Redis.from_url(redis_server.url) as client,
    ):
        await one.send(*entries([pressure(150, 95)]))
        await one.acknowledgement()
        before = await filled(rooms, f"patient:{PATIENT}:alerts", 1)
        first = await rooms.top(HOSPITAL)
        await client.flushall()
        await one.send(*entries([pressure(151, 96)], first=2))
        await one.acknowledgement()

        async def caught_up() -> bool:
            top = await rooms.top(HOSPITAL)
            return top is not None and top.n == 6

        await eventually(caught_up)
        top = await rooms.top(HOSPITAL)
        assert top.epoch != first.epoch
        after = await room(rooms, f"patient:{PATIENT}:alerts")
        assert after[-1][1]["message"] == "High blood pressure detected: 151/96"
        assert [message for message in after if message in before] in ([], before)
        gap = await rooms.read(
            RoomAddress(hospital_id=HOSPITAL, room=f"patient:{PATIENT}:alerts"), Position(epoch=first.epoch, offset=1)
        )
        assert gap.top.epoch == top.epoch
