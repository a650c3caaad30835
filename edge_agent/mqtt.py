"""The link to the broker; the only module that knows aiomqtt, whose errors leave it as MqttUnavailable.

Clean session: the broker keeps nothing for us, the outbox is the only buffer. `publish` returns when the broker has the message,
which says nothing of the hub.
"""

import asyncio
import fcntl
import logging
import math
import socket
import ssl
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiomqtt

from edge_agent.errors import MqttUnavailable
from edge_agent.settings import MqttSettings
from vitals.identifiers import GatewayId

KEEPALIVE_SECONDS: Final = 10
"""A broker that stands still is noticed within twice this."""
ANSWER_SECONDS: Final = 10.0
GOODBYE_SECONDS: Final = 1.0
INCOMING_MESSAGES: Final = 1000
"""From the hub and not read yet; more are dropped, and asked for again by resending."""

_silent = logging.getLogger(f"{__name__}.aiomqtt")
_silent.setLevel(logging.CRITICAL)  # what it would say is in our errors, once


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker says for us when the link breaks."""

    topic: str
    payload: bytes


class MqttLink:
    """One standing connection."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """QoS 1. Raises MqttUnavailable."""
        async with _answered():
            await self._client.publish(topic, payload, qos=1, retain=retain)

    async def publish_live(self, topic: str, payload: bytes) -> None:
        """QoS 0; returns when the socket has it, however long that takes. Raises MqttUnavailable when the link is lost."""
        with _translated():
            await self._client.publish(topic, payload, qos=0)

    @property
    def unsent(self) -> int:
        """Bytes that the broker's machine has not confirmed (tcp(7), SIOCOUTQ); 0 where the system does not tell."""
        connection = self._client._client.socket()
        if connection is None or sys.platform != "linux":
            return 0
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)

    async def subscribe(self, topic: str) -> None:
        """QoS 1. Raises MqttUnavailable, also when the broker's access rules refuse."""
        async with _answered():
            granted = await self._client.subscribe(topic, qos=1)
        if any(_refused(code) for code in granted):
            raise MqttUnavailable(f"the broker refused the subscription to {topic}; check its access rules")

    async def messages(self) -> AsyncIterator[bytes]:
        """Payloads as they come; raises MqttUnavailable when the link is lost."""
        with _translated():
            async for message in self._client.messages:
                payload = message.payload
                yield payload if isinstance(payload, bytes) else b""


@asynccontextmanager
async def connect(settings: MqttSettings, *, gateway: GatewayId, will: Will) -> AsyncIterator[MqttLink]:
    """Connect for as long as the context lasts. Raises MqttUnavailable, whose text names the broker."""
    where = f"{settings.host}:{settings.port}"
    try:
        client = await _client(settings, gateway, will)
    except OSError as error:
        raise MqttUnavailable(f"{where}: {error}") from error
    try:
        try:
            async with _answered():
                await client.__aenter__()
        except MqttUnavailable as error:
            raise MqttUnavailable(f"{where}: can't connect: {error}") from error
        yield MqttLink(client)
    finally:
        await _close(client)


async def _client(settings: MqttSettings, gateway: GatewayId, will: Will) -> aiomqtt.Client:
    """Not yet connected. Raises OSError for a file that can't be read, or holds no certificate."""
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=gateway,
        username=settings.username or gateway,
        password=await asyncio.to_thread(_password, settings),
        clean_session=True,
        will=aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
        keepalive=KEEPALIVE_SECONDS,
        timeout=math.inf,  # see _answered
        max_queued_incoming_messages=INCOMING_MESSAGES,
        tls_context=await asyncio.to_thread(_tls, settings),
        logger=_silent,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # else each batch waits 40 ms for a delayed ACK
    )


async def _close(client: aiomqtt.Client) -> None:
    """Take leave of the broker, also of one that never answered, for else its socket stays open."""
    try:
        async with asyncio.timeout(GOODBYE_SECONDS):
            await client.__aexit__(None, None, None)
    except (aiomqtt.MqttError, TimeoutError):
        pass


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """A bounded wait for the broker. aiomqtt's own is `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that comes
    together with the answer; the task then never ends."""
    with _translated():
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except TimeoutError:
            raise MqttUnavailable(f"the broker didn't answer within {ANSWER_SECONDS:.0f} s") from None


class _translated:  # noqa: N801 - reads as a word
    """aiomqtt's errors as ours."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiomqtt.MqttError):
            raise MqttUnavailable(_said(error)) from error


def _said(error: BaseException) -> str:
    """The certificate's fault where there is one, without OpenSSL's codes around it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__  # aiomqtt hides it
    return str(error)


def _refused(code: object) -> bool:
    value = getattr(code, "value", code)
    return isinstance(value, int) and value >= 0x80


def _password(settings: MqttSettings) -> str | None:
    if settings.password_file is None:
        return None
    return settings.password_file.read_text().strip()


def _tls(settings: MqttSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.sslsocket_class = _ClosingSocket
    return context


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself where the handshake fails: paho forgets such a socket and leaves it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's own
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise
