"""A ward for tests of ingest, and a gateway that speaks the wire by itself."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import msgspec
from sqlalchemy import Table, func, select

from hub.alerts.rules import load_rules
from hub.ingest.ingest import Ingest
from hub.record.record import Record
from hub.registry_file import RegistryFile, apply_registry
from hub.rooms.messages import RoomAddress
from hub.rooms.rooms import Rooms
from hub.settings import MqttSettings
from tests.conftest import GATEWAY_PASSWORD, HUB_PASSWORD
from tests.support.waiting import eventually
from vitals import envelope
from vitals.envelope import Acknowledgement, Greeting, Lane, ReadingEntry
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value
from vitals.topics import Channel, topic
from vitals.waveform_envelope import encode_chunk, encode_waveforms
from vitals.waveforms import SampleChunk, Signal

HOSPITAL, PATIENT = "h1", "p1"
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="BP-1")
OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="OX-1")
SPARE = DeviceKey(device_type=DeviceType.THERMOMETER, device_id="TH-9")
REGISTRY = msgspec.convert(
    {
        "hospitals": [{"id": HOSPITAL, "name": "One", "wards": [{"id": "w1", "name": "Ward", "beds": ["1", "2"]}]}],
        "patients": [
            {
                "id": PATIENT,
                "hospital": HOSPITAL,
                "name": "Ada",
                "record_number": "1",
                "age_group": "adult",
                "ward": "w1",
                "bed": "1",
            },
            {"id": "p2", "hospital": HOSPITAL, "name": "Bob", "record_number": "2", "age_group": "adult"},
        ],
        "gateways": [{"id": "gw-1", "hospital": HOSPITAL}, {"id": "gw-2", "hospital": HOSPITAL}],
        "devices": [
            {"type": CUFF.device_type, "id": CUFF.device_id, "gateway": "gw-1", "patient": PATIENT},
            {"type": OXIMETER.device_type, "id": OXIMETER.device_id, "gateway": "gw-1", "patient": PATIENT},
            {"type": SPARE.device_type, "id": SPARE.device_id, "gateway": "gw-1"},
        ],
    },
    RegistryFile,
)


def now() -> datetime:
    return datetime.now(UTC)


def pressure(systolic: int, diastolic: int, *, at: datetime | None = None, **changed: object) -> Reading:
    """A cuff's live reading."""
    at = at or now()
    fields: dict[str, object] = {
        "data_type": Vital.BLOOD_PRESSURE,
        "device": CUFF,
        "values": (measured_value(Parameter.SYSTOLIC, systolic), measured_value(Parameter.DIASTOLIC, diastolic)),
        "measured": at,
        "received": at,
        "raw": b"\x00" + bytes([systolic, diastolic]),
    }
    return Reading(**(fields | changed))


def chunk(samples: Sequence[int | None] = (1, 2, 3), *, device: DeviceKey = OXIMETER, **changed: object) -> SampleChunk:
    """An oximeter's plethysmogram, just now."""
    fields = {"started": now(), "rate_hz": 60.0, "low": 0, "high": 127} | changed
    return SampleChunk(device=device, signal=Signal.PLETHYSMOGRAM, samples=tuple(samples), **fields)


class Gateway:
    """What a gateway says and hears, without an outbox: the test decides what is sent, and when."""

    def __init__(self, client: aiomqtt.Client, name: str) -> None:
        self._client = client
        self.name = name
        self.epoch = secrets.token_hex(8)
        self.heard: asyncio.Queue[Acknowledgement | Greeting] = asyncio.Queue()

    async def listen(self) -> None:
        async for message in self._client.messages:
            self.heard.put_nowait(envelope.decode_from_hub(bytes(message.payload)))

    async def send(self, *entries: object, channel: Channel = Channel.READINGS, **changed: object) -> None:
        fields = {
            "gateway": self.name,
            "epoch": self.epoch,
            "record_epoch": 1,
            "lane": Lane.LIVE,
            "sent": now(),
        } | changed
        payload = envelope.encode_batch(entries=[envelope.encode(entry) for entry in entries], **fields)
        await self.send_bytes(payload, channel)

    async def send_bytes(self, payload: bytes, channel: Channel = Channel.READINGS) -> None:
        await self._client.publish(topic(self.name, channel), payload, qos=1)

    async def send_samples(self, *chunks: SampleChunk, gateway: str | None = None) -> None:
        """A batch of waveforms, at QoS 0."""
        bodies = [encode_chunk(one) for one in chunks]
        payload = encode_waveforms(gateway=gateway or self.name, sent=now(), chunks=bodies)
        await self.send_live(payload)

    async def send_live(self, payload: bytes, *, retain: bool = False) -> None:
        await self._client.publish(topic(self.name, Channel.WAVEFORMS), payload, qos=0, retain=retain)

    async def acknowledgement(self) -> Acknowledgement:
        """The next one, within five seconds; greetings are passed over."""
        async with asyncio.timeout(5):
            while not isinstance(heard := await self.heard.get(), Acknowledgement):
                pass
        return heard

    async def greeting(self) -> Greeting:
        async with asyncio.timeout(5):
            while not isinstance(heard := await self.heard.get(), Greeting):
                pass
        return heard


@asynccontextmanager
async def gateway(port: int, name: str = "gw-1") -> AsyncIterator[Gateway]:
    async with (
        aiomqtt.Client("127.0.0.1", port, username=name, password=GATEWAY_PASSWORD) as client,
        asyncio.TaskGroup() as tasks,
    ):
        one = Gateway(client, name)
        await client.subscribe(topic(name, Channel.ACK), qos=1)
        listener = tasks.create_task(one.listen())
        yield one
        listener.cancel()


async def made(
    database_url: str, redis_url: str, port: int, folder: Path, *, name: str
) -> tuple[Record, Rooms, Ingest]:
    """An ingest on real services that does not run yet."""
    password = folder / "hub-password"
    await asyncio.to_thread(password.write_text, HUB_PASSWORD)
    record = await Record.open(database_url, clock=now)
    await apply_registry(record.engine, REGISTRY)
    rooms = Rooms.connect(redis_url)
    settings = MqttSettings(host="127.0.0.1", port=port, username="hub", password_file=password)
    ingest = Ingest(record, rooms, settings, load_rules(None), name=name, new_id=lambda: secrets.token_hex(12))
    return record, rooms, ingest


@asynccontextmanager
async def ingesting(
    database_url: str, redis_url: str, port: int, folder: Path, *, name: str = "hub-1"
) -> AsyncIterator[tuple[Record, Rooms, Ingest]]:
    """A running ingest, its hospital owned and its connection up."""
    record, rooms, ingest = await made(database_url, redis_url, port, folder, name=name)
    task = asyncio.create_task(ingest.run())
    try:
        await eventually(lambda: ingest.broker_connected and ingest.alive_at)
        yield record, rooms, ingest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rooms.close()
        await record.close()


def entries(readings: Sequence[Reading], *, first: int = 1) -> list[ReadingEntry]:
    return [ReadingEntry(sequence=first + place, reading=reading) for place, reading in enumerate(readings)]


async def count(record: Record, table: Table) -> int:
    async with record.engine.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def rows(record: Record, table: Table) -> list[dict]:
    async with record.engine.reading() as connection:
        return [dict(row) for row in (await connection.execute(select(table))).mappings()]


async def room(rooms: Rooms, name: str) -> list[tuple[str, dict]]:
    """What a room remembers: event names and data."""
    address = RoomAddress(hospital_id=HOSPITAL, room=name)
    read = await rooms.history(address, since=None, limit=500)
    return [(message.event, msgspec.json.decode(message.data)) for message in read.messages]


async def filled(rooms: Rooms, name: str, size: int) -> list[tuple[str, dict]]:
    """What a room remembers as soon as it is `size` messages."""

    async def enough() -> list[tuple[str, dict]] | None:
        messages = await room(rooms, name)
        return messages if len(messages) >= size else None

    return await eventually(enough, seconds=5)
