"""The publisher against a real broker and a small hub."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest

from bedside.services.mosquitto import mosquitto
from edge_agent.outbox import Outbox, OutboxLimits
from edge_agent.settings import MqttSettings
from edge_agent.window import RESEND_SECONDS
from tests.conftest import GATEWAY_PASSWORD, HUB_PASSWORD
from tests.edge_agent.conftest import GATEWAY, Publish
from tests.edge_agent.hub import SILENCE, Hub, hub, sequences
from tests.edge_agent.samples import event, reading
from tests.support.net import free_port
from tests.support.waiting import eventually
from vitals.envelope import GatewayState, Greeting, Lane, OutboxStarted, Tombstone, decode_state
from vitals.topics import Channel, topic

pytestmark = pytest.mark.slow


async def settled(outbox: Outbox) -> None:
    """Until nothing is unsent."""
    async with asyncio.timeout(10):
        while True:
            counts = (await outbox.summary()).counts
            if counts.unsent_readings + counts.unsent_events + counts.tombstones == 0:
                return


async def test_a_committed_reading_reaches_the_hub_and_is_acknowledged(outbox: Outbox, publish: Publish, road: Hub):
    async with publish(outbox):
        await outbox.commit(reading(97))
        await road.until(lambda hub: hub.readings)
        await settled(outbox)
    assert [entry.reading for entry in road.readings] == [reading(97)]
    assert (await outbox.summary()).counts.acknowledged == 2


async def test_the_first_entry_is_the_start_of_the_epoch(outbox: Outbox, publish: Publish, road: Hub):
    """Delivery rule 2."""
    async with publish(outbox):
        await road.until(lambda hub: hub.entries)
    assert isinstance(road.entries[outbox.epoch, 1], OutboxStarted)


async def test_events_travel_on_events_and_readings_on_readings(outbox: Outbox, publish: Publish, road: Hub):
    async with publish(outbox):
        await outbox.commit(event(), reading())
        await road.until(lambda hub: hub.readings and hub.events)
    channels = {sequence: channel for channel, batch in road.batches for sequence in sequences(batch)}
    assert channels == {1: Channel.EVENTS, 2: Channel.EVENTS, 3: Channel.READINGS}


async def test_what_an_outage_left_follows_in_the_backlog_after_the_present(
    tmp_path: Path, publish: Publish, road: Hub
):
    old = await Outbox.open(tmp_path / "outbox.sqlite", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    await old.commit(*(reading(90) for _ in range(1200)))
    await old.close()
    outbox = await Outbox.open(tmp_path / "outbox.sqlite", clock=lambda: datetime.now(UTC))
    await outbox.commit(reading(99))
    async with publish(outbox):
        await road.until(lambda hub: len(hub.readings) == 1201)
        await settled(outbox)
    await outbox.close()
    lanes = {(batch.epoch, batch.lane) for _, batch in road.batches}
    assert lanes == {(old.epoch, Lane.BACKLOG), (outbox.epoch, Lane.LIVE)}
    assert road.repeats == 0


async def test_a_batch_holds_at_most_500_entries(outbox: Outbox, publish: Publish, road: Hub):
    await outbox.commit(*(reading() for _ in range(2000)))
    async with publish(outbox):
        await road.until(lambda hub: len(hub.readings) == 2000)
    assert max(len(batch.entries) for _, batch in road.batches) == 500


async def test_an_unanswered_batch_is_sent_again_after_five_seconds_of_its_own(
    outbox: Outbox, publish: Publish, road: Hub
):
    """Delivery rule 4: other batches' acknowledgements are no progress for this one."""
    elapsed = [0.0]
    ticking = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await ticking.wait()
        if elapsed[0] > 4 * RESEND_SECONDS:
            await asyncio.Event().wait()  # what isn't sent again by now never is
        elapsed[0] += seconds
        await asyncio.sleep(0)

    lost = []

    def loses_the_first(batch) -> bool:
        if 2 in sequences(batch) and not lost:
            lost.append(batch)
            return SILENCE
        return True

    road.answers = loses_the_first
    async with publish(outbox, sleep=sleep, monotonic=lambda: elapsed[0]) as publisher:
        await outbox.commit(reading(91))
        await road.until(lambda _: lost)
        await outbox.commit(reading(92))
        await road.until(lambda hub: len(hub.readings) == 2)
        await eventually(lambda: publisher.status.batches_unacknowledged == 1)
        ticking.set()
        await road.until(lambda hub: hub.repeats == 1)
        await settled(outbox)


async def test_a_rejected_entry_is_set_aside_and_blocks_nothing(outbox: Outbox, publish: Publish, road: Hub):
    road.rejects = frozenset({2})
    async with publish(outbox) as publisher:
        await outbox.commit(reading(91), reading(92))
        await settled(outbox)
        await eventually(lambda: publisher.status.entries_rejected == 1)
    summary = await outbox.summary()
    assert (summary.counts.set_aside, summary.counts.acknowledged) == (1, 2)
    assert summary.set_aside_reasons == {"unknown_device": 1}


async def test_a_new_owner_is_sent_at_once_what_it_has_not_committed(outbox: Outbox, publish: Publish, road: Hub):
    road.answers = lambda _: SILENCE
    async with publish(outbox):
        await outbox.commit(*(reading(value) for value in range(90, 95)))
        await road.until(lambda hub: len(hub.readings) == 5)
        road.forget()
        road.answers = lambda _: True
        road.token = 2
        await road.greet(GATEWAY, {outbox.epoch: [(1, 3)]})
        await road.until(lambda hub: len(hub.readings) == 3)
        await settled(outbox)
    assert sorted(entry.sequence for entry in road.readings) == [4, 5, 6]


async def test_a_newer_record_epoch_makes_acknowledged_entries_unsent(outbox: Outbox, publish: Publish, road: Hub):
    """Delivery rule 7."""
    async with publish(outbox):
        await outbox.commit(reading(91), reading(92))
        await settled(outbox)
        road.forget()
        road.record_epoch, road.token = 2, 5
        await road.greet(GATEWAY)
        await road.until(lambda hub: len(hub.entries) == 3)
        await settled(outbox)
    assert all(batch.record_epoch == 2 for _, batch in road.batches)


async def test_a_greeting_is_answered_with_the_record_epoch_when_nothing_is_left(
    outbox: Outbox, publish: Publish, road: Hub
):
    """Delivery rule 8."""
    async with publish(outbox):
        await settled(outbox)
        road.batches.clear()
        road.record_epoch = 4
        await road.greet(GATEWAY, {outbox.epoch: [(1, 1)]})
        await road.until(lambda hub: any(batch.record_epoch == 4 for _, batch in hub.batches))


async def test_an_acknowledgement_of_an_older_record_epoch_is_ignored(outbox: Outbox, publish: Publish, road: Hub):
    """Delivery rule 6."""
    road.record_epoch = 3
    async with publish(outbox):
        await settled(outbox)
        road.record_epoch = 2
        await outbox.commit(reading())
        await road.until(lambda hub: hub.readings)
        road.record_epoch = 3
        await road.greet(GATEWAY)
        await settled(outbox)
    assert road.repeats >= 1


async def test_nonsense_from_the_hub_is_counted_and_the_road_goes_on(outbox: Outbox, publish: Publish, road: Hub):
    async with publish(outbox) as publisher:
        await settled(outbox)
        await road.client.publish(topic(GATEWAY, Channel.ACK), b"\xff garbage", qos=1)
        await outbox.commit(reading())
        await settled(outbox)
        assert publisher.status.refused_messages == 1


async def test_the_state_is_online_then_offline_and_its_session_rises(
    outbox: Outbox, publish: Publish, mqtt_settings: MqttSettings
):
    seen: asyncio.Queue[GatewayState] = asyncio.Queue()

    async def watch() -> None:
        async with aiomqtt.Client("127.0.0.1", mqtt_settings.port, username="hub", password=HUB_PASSWORD) as client:
            await client.subscribe(topic(GATEWAY, Channel.STATE), qos=1)
            async for message in client.messages:
                if not message.retain:
                    seen.put_nowait(decode_state(bytes(message.payload)))

    watching = asyncio.create_task(watch())
    try:
        states = []
        for _ in range(2):
            async with publish(outbox) as publisher:
                await eventually(lambda: publisher.status.connected)
                states.append(await asyncio.wait_for(seen.get(), 5))
            states.append(await asyncio.wait_for(seen.get(), 5))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    first, second = states[0].session, states[2].session
    assert first < second
    assert [(state.online, state.session) for state in states] == [
        (True, first),
        (False, first),
        (True, second),
        (False, second),
    ]


async def test_a_wrong_password_is_a_problem_that_names_the_broker(
    outbox: Outbox, publish: Publish, mqtt_settings: MqttSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    mqtt_settings.password_file.write_text("wrong")
    async with publish(outbox) as publisher:
        problem = await eventually(lambda: publisher.status.problem)
    assert f"127.0.0.1:{mqtt_settings.port}" in problem
    assert "authori" in problem.lower()
    assert "wrong" not in caplog.text


async def test_a_repeated_greeting_does_not_send_everything_again(outbox: Outbox, publish: Publish, road: Hub):
    road.answers = lambda _: SILENCE
    async with publish(outbox, monotonic=lambda: 0.0):  # no resend timer runs out
        await road.until(lambda hub: hub.batches)
        await road.greet(GATEWAY)
        await road.until(lambda hub: hub.repeats)
        await outbox.commit(*(reading() for _ in range(20)))
        await road.until(lambda hub: len(hub.readings) == 20)
        before, answered = road.repeats, len(road.batches)
        for _ in range(3):
            await road.say(GATEWAY, Greeting(record_epoch=1, token=1, committed={}))
        await road.until(lambda hub: len(hub.batches) >= answered + 3)
    assert road.repeats - before <= 4  # the start entry, which names the record epoch


async def test_a_broker_killed_and_restarted_loses_nothing(tmp_path: Path, outbox: Outbox, publish: Publish):
    broker = mosquitto(tmp_path / "mosquitto", users={"hub": HUB_PASSWORD, GATEWAY: GATEWAY_PASSWORD})
    password = tmp_path / "gateway-password"
    password.write_text(GATEWAY_PASSWORD)
    broker.start()
    try:
        settings = MqttSettings(port=broker.port, username=GATEWAY, password_file=password)
        async with publish(outbox, settings=settings, sleep=hurried) as publisher:
            async with hub(broker.port) as before:
                await outbox.commit(*(reading(90) for _ in range(50)))
                await before.until(lambda hub: len(hub.readings) == 50)
            await outbox.commit(*(reading(91) for _ in range(50)))  # nobody listens
            await eventually(lambda: publisher.status.batches_unacknowledged)
            broker.kill()
            await eventually(lambda: not publisher.status.connected)
            await outbox.commit(*(reading(92) for _ in range(50)))
            await asyncio.to_thread(broker.start)
            async with hub(broker.port) as after:
                await after.greet(GATEWAY)
                await after.until(lambda hub: len(hub.readings) >= 100)
                await settled(outbox)
            assert publisher.status.session >= 2
        both = before.entries | after.entries
        assert sorted(sequence for _, sequence in both) == list(range(1, 152))
    finally:
        broker.stop()


async def hurried(seconds: float) -> None:
    """Back-off and timers a fiftieth as long."""
    await asyncio.sleep(seconds / 50)


async def test_a_broker_that_is_away_at_first_is_waited_for(
    outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
):
    waits: list[float] = []
    four = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) >= 4:
            four.set()
        await asyncio.sleep(0)

    async with publish(outbox, settings=MqttSettings(port=free_port()), sleep=sleep):
        await asyncio.wait_for(four.wait(), 10)
    assert waits[:4] == [0.375, 0.75, 1.5, 3.0]
    assert sum("mqtt:" in record.message for record in caplog.records) == 1, "said once, not at each try"


async def test_a_live_reading_is_not_behind_the_backlog(outbox: Outbox, publish: Publish, road: Hub, tmp_path: Path):
    old = await Outbox.open(tmp_path / "long.sqlite", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    for _ in range(6):
        await old.commit(*(reading(90) for _ in range(500)))
    await old.close()
    behind = await Outbox.open(tmp_path / "long.sqlite", clock=lambda: datetime.now(UTC))
    async with publish(behind, rate=5000):
        await road.until(lambda hub: hub.readings)
        await behind.commit(reading(99))
        await road.until(lambda hub: (behind.epoch, 2) in hub.entries)
        assert len(road.readings) < 2500
        assert next(batch.lane for _, batch in road.batches if batch.epoch == behind.epoch) is Lane.LIVE
        await road.until(lambda hub: len(hub.readings) == 3001)
        await settled(behind)
    await behind.close()


async def test_evicted_readings_reach_the_hub_as_tombstones(tmp_path: Path, publish: Publish, road: Hub):
    """Delivery rule 3."""
    small = OutboxLimits(max_bytes=512 << 10)
    outbox = await Outbox.open(tmp_path / "small.sqlite", clock=lambda: datetime.now(UTC), limits=small)
    for _ in range(20):
        await outbox.commit(*(reading() for _ in range(400)))
    gone = (await outbox.summary()).counts.tombstones
    async with publish(outbox):
        await road.until(lambda hub: len(hub.entries) == 8001)
        await settled(outbox)
    await outbox.close()
    assert gone > 1000
    assert sum(isinstance(entry, Tombstone) for entry in road.entries.values()) == gone
