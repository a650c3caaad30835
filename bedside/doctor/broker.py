"""Asks an MQTT broker as the hub or a gateway would: connect with its password, subscribe to its topics, try its right to write.

MQTT 5, whose PUBACK says when the access rules refuse a publication; 3.1.1, which the product speaks, has no word for it. The trial is
empty, not retained, and on a topic that nobody reads.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from bedside.doctor.findings import Finding, failed, ok
from bedside.doctor.running import ASK_SECONDS
from bedside.exits import Exit

RETAINED_SECONDS: Final = 0.5
"""How long retained messages may take to follow the last answer."""
_LOOP_SECONDS: Final = 0.05
_UNSUPPORTED: Final = 0x84


class Settings(Protocol):
    """The hub's and the gateway's settings of the broker are alike."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def password_file(self) -> Path | None: ...
    @property
    def tls(self) -> bool: ...
    @property
    def ca_file(self) -> Path | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who asks for what. `writes` is a topic to try; None tries none."""

    settings: Settings
    user: str | None
    reads: Sequence[str]
    writes: str | None = None

    @property
    def where(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What the broker said so far."""

    connected: Any = None
    granted: list[Any] | None = None
    published: Any = None
    topics: set[str] = field(default_factory=set)


def ask(visit: Visit, *, away: str) -> Finding:
    """`away` is the advice where nothing answers."""
    try:
        client, context = _client(visit), _context(visit.settings)
    except OSError as error:
        name = error.filename or visit.settings.ca_file
        return failed(f"{name}: {error.strerror}", "name a file that is there and can be read", Exit.CONFIGURATION)
    try:
        if context is not None:
            if problem := _handshake(visit.settings, context):
                advice = "check mqtt.tls, mqtt.port, mqtt.ca_file and the broker's certificate"
                return failed(f"{visit.where}: TLS: {problem}", advice, Exit.UNREACHABLE)
            client.tls_set_context(context)
        heard = _heard(client, visit)
    except (OSError, ValueError) as error:
        return failed(f"{visit.where}: {getattr(error, 'strerror', None) or error}", away, Exit.UNREACHABLE)
    return _judged(visit, heard, away)


def _context(settings: Settings) -> ssl.SSLContext | None:
    """Raises OSError for a file that can't be read, or holds no certificate."""
    return ssl.create_default_context(cafile=settings.ca_file) if settings.tls else None


def _handshake(settings: Settings, context: ssl.SSLContext) -> str:
    """Why TLS does not come about; empty where it does. Raises OSError where nothing answers. (paho leaves its socket open then.)"""
    with socket.create_connection((settings.host, settings.port), timeout=ASK_SECONDS) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=settings.host):
                return ""
        except ssl.SSLError as error:
            return getattr(error, "verify_message", "") or error.reason or type(error).__name__
        except OSError as error:
            return error.strerror or str(error)


def _client(visit: Visit) -> paho.Client:
    """Not yet connected. Raises OSError for a password file that can't be read."""
    settings = visit.settings
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect_timeout = ASK_SECONDS
    if visit.user is not None:
        password = settings.password_file.read_text(encoding="utf-8").strip() if settings.password_file else None
        client.username_pw_set(visit.user, password)
    return client


def _heard(client: paho.Client, visit: Visit) -> _Heard:
    """What the broker answers until all is answered, or it closes, or the time is over. Raises OSError."""
    heard = _Heard()

    def connected(client: paho.Client, data: object, flags: object, code: Any, properties: object) -> None:  # noqa: ANN401 - paho's own
        heard.connected = code
        if not code.is_failure:
            client.subscribe([(topic, SubscribeOptions(qos=0)) for topic in visit.reads])
            if visit.writes is not None:
                client.publish(visit.writes, b"", qos=1)

    def subscribed(client: object, data: object, mid: int, codes: list[Any], properties: object) -> None:
        heard.granted = codes

    def published(client: object, data: object, mid: int, code: Any, properties: object) -> None:  # noqa: ANN401
        heard.published = code

    client.on_connect, client.on_subscribe, client.on_publish = connected, subscribed, published
    client.on_message = lambda client, data, message: heard.topics.add(message.topic)
    client.connect(visit.settings.host, visit.settings.port)
    _turn(client, heard, visit)
    client.disconnect()
    client.loop(_LOOP_SECONDS)  # closes the socket
    return heard


def _turn(client: paho.Client, heard: _Heard, visit: Visit) -> None:
    deadline = time.monotonic() + ASK_SECONDS
    while time.monotonic() < deadline:
        if client.loop(_LOOP_SECONDS) != paho.MQTT_ERR_SUCCESS:
            return
        answered = heard.granted is not None and (visit.writes is None or heard.published is not None)
        if answered:
            deadline = min(deadline, time.monotonic() + RETAINED_SECONDS)


def _judged(visit: Visit, heard: _Heard, away: str) -> Finding:
    who = f"user {visit.user}" if visit.user else "without a password"
    if heard.connected is None:
        return failed(
            f"{visit.where}: takes connections, but does not answer as an MQTT broker", away, Exit.UNREACHABLE
        )
    if heard.connected.value == _UNSUPPORTED:
        return failed(f"{visit.where}: doesn't speak MQTT 5", "use a broker that does: Mosquitto 2", Exit.UNREACHABLE)
    if heard.connected.is_failure:
        return failed(f"{visit.where}: {who}: {heard.connected}", _advice(visit), Exit.AUTHENTICATION)
    if heard.granted is None:
        return failed(f"{visit.where}: did not answer the subscription in {ASK_SECONDS:g} s", away, Exit.UNREACHABLE)
    refused = [topic for topic, code in zip(visit.reads, heard.granted, strict=False) if code.is_failure]
    if refused:
        return failed(f"{visit.where}: {who} may not read {', '.join(refused)}", _ACL, Exit.AUTHENTICATION)
    if heard.published is not None and heard.published.is_failure:
        return failed(f"{visit.where}: {who} may not write {visit.writes}", _ACL, Exit.AUTHENTICATION)
    states = sum(topic.endswith("/state") for topic in heard.topics)
    known = f"; it knows {states} gateway{'s' if states != 1 else ''}" if states else ""
    return ok(f"{visit.where}: {who} is let in and may do what it must{known}")


_ACL: Final = "give the broker the access rules of deploy/mosquitto/acl, and let it read them again (kill -HUP)"


def _advice(visit: Visit) -> str:
    file = visit.settings.password_file or "mqtt.password_file, which isn't set,"
    return f"make {file} hold the password that the broker's password_file knows for {visit.user or 'this user'}"
