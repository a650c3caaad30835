"""A gateway without an outbox: it sends what it is given as fast as acknowledgements allow, and knows what was acknowledged."""

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.errors import BenchFailed
from bench.ward import GATEWAY, Batch
from vitals.envelope import Greeting, Lane, OutboxStarted, decode_from_hub, encode, encode_batch
from vitals.topics import Channel, topic

ANSWER_SECONDS: Final = 30.0


class Gateway:
    """One connection to a broker. Waits raise BenchFailed after ANSWER_SECONDS without progress."""

    def __init__(self, port: int, password: str) -> None:
        self._record_epoch: int | None = None
        self._epoch = ""
        self._sent = 0
        self._acknowledged: set[int] = set()
        self._rejected = 0
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        self._client.username_pw_set(GATEWAY, password)
        self._client.max_inflight_messages_set(1000)
        self._client.on_socket_open = _without_delay
        self._client.on_connect = lambda client, *_: client.subscribe(topic(GATEWAY, Channel.ACK), qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._subscribed.wait(ANSWER_SECONDS):
            raise BenchFailed("the broker does not let the gateway subscribe")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def introduce(self) -> None:
        """Begin an outbox epoch, as an agent does that knows no record epoch yet: the hub greets who is behind."""
        entry = OutboxStarted(sequence=1, previous_epoch=None, previous_top=0, at=datetime.now(UTC))
        payload = encode_batch(
            gateway=GATEWAY,
            epoch=secrets.token_hex(8),
            record_epoch=0,
            lane=Lane.LIVE,
            sent=entry.at,
            entries=[encode(entry)],
        )
        self._client.publish(topic(GATEWAY, Channel.EVENTS), payload, qos=1)

    def greeted(self) -> int:
        """The record epoch, once the other side has greeted."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._record_epoch is not None, ANSWER_SECONDS):
                raise BenchFailed("the gateway was not greeted")
            assert self._record_epoch is not None
            return self._record_epoch

    def begin(self, epoch: str) -> None:
        """From here on sequences of `epoch` are sent, from 1."""
        with self._changed:
            self._epoch, self._sent, self._acknowledged, self._rejected = epoch, 0, set(), 0

    def publish(self, batch: Batch, *, window: int) -> None:
        """Send, when with it at most `window` readings are unacknowledged."""
        self._wait(self._sent + batch.count - window)
        self._client.publish(topic(GATEWAY, Channel.READINGS), batch.payload, qos=1)
        self._sent += batch.count

    def finish(self) -> None:
        """Wait for the last acknowledgement. Raises BenchFailed where not exactly what was sent is acknowledged."""
        self._wait(self._sent)
        if self._rejected or self._acknowledged != set(range(1, self._sent + 1)):
            raise BenchFailed(
                f"{len(self._acknowledged)} of {self._sent} readings acknowledged, {self._rejected} rejected"
            )

    def _wait(self, acknowledged: int) -> None:
        """Until so many readings are acknowledged."""
        with self._changed:
            while (before := len(self._acknowledged)) < acknowledged:
                if not self._changed.wait(ANSWER_SECONDS) and len(self._acknowledged) == before:
                    raise BenchFailed(f"no acknowledgement for {ANSWER_SECONDS:g} s after {before} readings")

    def _heard(self, client: object, data: object, message: Any) -> None:  # noqa: ANN401 - paho's own
        heard = decode_from_hub(message.payload)
        with self._changed:
            if isinstance(heard, Greeting):
                self._record_epoch = heard.record_epoch
            elif heard.epoch == self._epoch:
                self._rejected += len(heard.rejected)
                for first, last in heard.committed:
                    self._acknowledged.update(range(first, last + 1))
            self._changed.notify_all()


def _without_delay(client: object, data: object, connection: Any) -> None:  # noqa: ANN401 - paho's own
    """As the agent does: else each batch waits 40 ms for a delayed ACK."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def connected_gateway(port: int, password: str) -> Iterator[Gateway]:
    gateway = Gateway(port, password)
    try:
        yield gateway
    finally:
        gateway.close()
