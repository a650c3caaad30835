"""What only a broker that is none can send: the hub's connection outlives it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bedside.services.mosquitto import Mosquitto
from hub.ingest.broker import Broker, Delivery, LiveBroker
from hub.settings import MqttSettings
from tests.conftest import HUB_PASSWORD
from tests.hub.ingest.support import gateway
from vitals.topics import Channel, topic

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x32, 0x40, 0x82, 0x90
WAIT_SECONDS = 10


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next control packet (MQTT 3.1.1, section 2): its first byte and the rest, which is short here."""
    kind, length = await reader.readexactly(2)
    return kind, await reader.readexactly(length)


def publish(topic: bytes, payload: bytes, *, packet_id: int) -> bytes:
    body = len(topic).to_bytes(2) + topic + packet_id.to_bytes(2) + payload
    return bytes((PUBLISH, len(body))) + body


class RawBroker:
    """Lets the hub in and subscribe, then says what it was given."""

    def __init__(self, *said: bytes) -> None:
        self._said = said
        self.acknowledged: asyncio.Queue[int] = asyncio.Queue()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, _ = await packet(reader)
        assert kind == CONNECT
        writer.write(bytes((CONNACK, 2, 0, 0)))
        kind, body = await packet(reader)
        assert kind == SUBSCRIBE
        writer.write(bytes((SUBACK, 3)) + body[:2] + b"\x01")
        writer.write(b"".join(self._said))
        while (heard := await packet(reader))[0] == PUBACK:
            self.acknowledged.put_nowait(int.from_bytes(heard[1]))
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self.converse, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]


async def test_a_topic_that_is_not_utf_8_is_handed_on_as_no_topic_and_the_next_message_comes():
    raw = RawBroker(
        publish(b"bedside/v1/\xff\xfe/readings", b"first", packet_id=1),
        publish(b"bedside/v1/gw-1/readings", b"second", packet_id=2),
    )
    received: asyncio.Queue[Delivery] = asyncio.Queue()
    async with asyncio.timeout(WAIT_SECONDS), raw.running() as port:
        broker = Broker(MqttSettings(port=port), ["bedside/v1/+/readings"], received.put_nowait, lambda: None)
        await broker.start()
        deliveries = [await received.get(), await received.get()]
        assert [(delivery.topic, delivery.payload) for delivery in deliveries] == [
            ("", b"first"),
            ("bedside/v1/gw-1/readings", b"second"),
        ]
        for delivery in deliveries:
            broker.acknowledge(delivery)
        assert [await raw.acknowledged.get(), await raw.acknowledged.get()] == [1, 2]
        await broker.stop()


async def test_what_the_broker_kept_is_not_live(tmp_path: Path, mosquitto_server: Mosquitto):
    """A retained waveform would be drawn as if it were now, at each start of the hub."""
    password = tmp_path / "password"
    password.write_text(HUB_PASSWORD)
    settings = MqttSettings(port=mosquitto_server.port, username="hub", password_file=password)
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[bytes]()
    broker = LiveBroker(
        settings,
        [topic("+", Channel.WAVEFORMS)],
        lambda _, payload: loop.call_soon_threadsafe(heard.put_nowait, payload),
    )
    async with asyncio.timeout(WAIT_SECONDS), gateway(mosquitto_server.port) as one:
        await one.send_live(b"kept", retain=True)
        try:
            await broker.start()
            await broker.wait_connected()
            await one.send_live(b"live")
            assert await heard.get() == b"live"
        finally:
            await one.send_live(b"", retain=True)
            await broker.stop()
