"""The hub's connection to the MQTT broker, and the only module that imports paho.

Messages are acknowledged to the broker by hand, after the SQL commit; that bounds what is in flight (the broker sends no more than
its `max_inflight_messages`). The session is clean: the gateways' outboxes are the only buffer. paho runs in a thread of its
own; everything crosses to the event loop by `call_soon_threadsafe`.
"""

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hub.errors import BrokerUnavailable, ConfigurationError
from hub.settings import MqttSettings
from hub.tls import client_context, tls_fault

log = logging.getLogger(__name__)

KEEPALIVE_SECONDS: Final = 10
RETRY_SECONDS: Final = (1, 10)
CONNECT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message from a gateway; `handle` and `life` are for `Broker.acknowledge`."""

    topic: str
    payload: bytes
    qos: int
    handle: int
    life: int


class Broker:
    """A connection that comes back by itself. `received` is called on the event loop, in order."""

    _qos = 1
    _name = "the broker"

    def __init__(
        self,
        settings: MqttSettings,
        topics: Sequence[str],
        received: Callable[[Delivery], None],
        connected: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._received = received
        self._connected = connected
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[None] = self._loop.create_future()
        self._life = 0
        self._lost = False
        self._why = "nothing answers"
        self.is_connected = False
        self._client = self._make()

    async def start(self) -> None:
        """Begin to connect; what can't be reached is tried again for ever."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=KEEPALIVE_SECONDS)
        self._client.loop_start()

    async def wait_connected(self) -> None:
        """Return when subscribed. Raises BrokerUnavailable."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.shield(self._first)
        except TimeoutError:
            raise BrokerUnavailable(
                f"the broker at {self._settings.host}:{self._settings.port} does not answer or refuses the hub: {self._why}"
            ) from None

    async def stop(self) -> None:
        """Say goodbye and end the thread."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1. While there is no connection it is dropped: a greeting says it again after one."""
        if self.is_connected:
            self._client.publish(topic, payload, qos=1)

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that it may forget the message; void where the connection is another one now."""
        if delivery.qos and delivery.life == self._life:
            self._client.ack(delivery.handle, delivery.qos)

    def _make(self) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True, manual_ack=True)
        client.reconnect_delay_set(*RETRY_SECONDS)
        client.max_inflight_messages_set(1000)
        if self._settings.username:
            client.username_pw_set(self._settings.username, _password(self._settings.password_file))
        if self._settings.tls:
            client.tls_set_context(client_context(self._settings.ca_file))
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    # The five below run in paho's thread.

    def _on_connect(self, client: paho.Client, data: object, flags: object, code: Any, properties: object) -> None:  # noqa: ANN401 - paho's own
        if code.is_failure:
            self._call(self._fail, str(code))
            return
        client.subscribe([(topic, self._qos) for topic in self._topics])

    def _on_subscribe(self, client: object, data: object, mid: int, codes: list[Any], properties: object) -> None:
        if any(code.is_failure for code in codes):
            self._call(self._fail, "the broker refuses the hub's subscriptions; check its ACL")
            return
        self._call(self._up)

    def _on_connect_fail(self, client: object, data: object) -> None:
        fault = tls_fault(sys.exc_info()[1]) or "can't be reached"  # paho calls this while it handles the error
        self._call(self._fail, f"{self._settings.host}:{self._settings.port}: {fault}")

    def _on_disconnect(self, client: object, data: object, flags: object, code: object, properties: object) -> None:
        self._call(self._fail, str(code))

    def _on_message(self, client: object, data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # raised here it would end paho's thread, and with it ingest
            topic = ""
        self._call(self._hand_on, topic, message.payload, message.qos, message.mid)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)

    # From here on the event loop's thread.

    def _up(self) -> None:
        self._life += 1
        self.is_connected = True
        if self._lost:
            self._lost = False
            log.info("%s is back", self._name)
        if not self._first.done():
            self._first.set_result(None)
        self._connected()

    def _fail(self, reason: str) -> None:
        self.is_connected = False
        self._why = reason
        if not self._lost:
            self._lost = True
            log.warning("%s is away: %s", self._name, reason)

    def _hand_on(self, topic: str, payload: bytes, qos: int, handle: int) -> None:
        self._received(Delivery(topic=topic, payload=payload, qos=qos, handle=handle, life=self._life))


class LiveBroker(Broker):
    """A connection at QoS 0. `live` is called in paho's thread, with topic and payload, so that what nobody has time for never reaches the event loop."""

    _qos = 0
    _name = "the broker (waveforms)"

    def __init__(self, settings: MqttSettings, topics: Sequence[str], live: Callable[[str, bytes], None]) -> None:
        super().__init__(settings, topics, _ignore, _ignore)
        self._live = live

    def _on_message(self, client: object, data: object, message: paho.MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # no topic of ours; see above
            if not message.retain:  # what was kept is not live
                self._live(message.topic, bytes(message.payload))


def _ignore(*_: object) -> None:
    """Everything comes by `live`."""


def _without_delay(client: object, data: object, connection: Any) -> None:  # noqa: ANN401 - paho's own
    """Else an acknowledgement waits 40 ms for the one before it to be taken (Nagle's algorithm)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"mqtt.password_file: {path} can't be read: {error.strerror}") from error
