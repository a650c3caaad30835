"""A gateway out of its mind, in a process of its own: the largest batches of waveforms, far more of them than the hub takes. Killed when it has done enough."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import GATEWAY_PASSWORD
from tests.hub.ingest.support import chunk, now
from vitals.identifiers import DeviceKey
from vitals.topics import Channel, topic
from vitals.waveform_envelope import MAX_CHUNKS, MAX_WAVEFORM_BYTES, encode_chunk, encode_waveforms

MESSAGES_PER_SECOND = 200
"""Fifty thousand chunks: twice what a core could work on, and no more bytes than the broker can pass on, which would else fill its memory."""


def flood(port: int, device_id: str) -> None:
    device = DeviceKey(device_type="pulse_oximeter", device_id=device_id)
    many = [encode_chunk(chunk((n % 128,), device=device)) for n in range(MAX_CHUNKS)]
    payload = encode_waveforms(gateway="gw-1", sent=now(), chunks=many)
    assert MAX_WAVEFORM_BYTES / 2 < len(payload) <= MAX_WAVEFORM_BYTES, len(payload)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("gw-1", GATEWAY_PASSWORD)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while True:
        client.publish(topic("gw-1", Channel.WAVEFORMS), payload, qos=0).wait_for_publish()
        time.sleep(1 / MESSAGES_PER_SECOND)


@contextlib.asynccontextmanager
async def flooding(port: int, device_id: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, str(port), device_id)
    try:
        yield
        assert process.returncode is None, "the flood has ended by itself"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


if __name__ == "__main__":
    flood(int(sys.argv[1]), sys.argv[2])
