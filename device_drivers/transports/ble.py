"""Bluetooth LE, and the only module that imports bleak.

One scanner serves every device; it runs while somebody waits for one. bleak does not notice that bluetoothd has died, so on
Linux the bus name's owner is watched beside it: then every link is lost and every wait ends with BluetoothUnavailable.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError
from bleak_retry_connector import BleakNotFoundError, establish_connection

from device_drivers.advertisement import Advertisement
from device_drivers.errors import (
    BluetoothUnavailable,
    CommandFailed,
    ConnectFailed,
    LinkLost,
    TransportError,
)
from device_drivers.sessions import (
    Bond,
    CloseLink,
    Event,
    LinkCommand,
    LinkEstablished,
    ReadValue,
    SubscribeTo,
    ValueReceived,
    WriteValue,
)
from device_drivers.transports.events import EventQueue

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

log = logging.getLogger(__name__)

CONNECT_ATTEMPTS: Final = 2
COMMAND_SECONDS: Final = 15.0
ADVERTISEMENT_QUEUE: Final = 256
_NO_ADAPTER: Final = (
    "Bluetooth can't be used: is bluetoothd running and an adapter plugged in? (systemctl status bluetooth)"
)

if sys.platform == "linux":
    from dbus_fast.errors import DBusError

    FAILURES: Final = (BleakError, DBusError, OSError, EOFError, TimeoutError)
else:
    FAILURES: Final = (BleakError, OSError, EOFError, TimeoutError)
"""What bleak and what is below it raise; everything here is translated."""


class Bluetooth:
    """This machine's Bluetooth; one object a process, used as an async context manager."""

    def __init__(self) -> None:
        self._devices: dict[str, BLEDevice] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._listeners: set[asyncio.Queue[Advertisement | None]] = set()
        self._links: set[BleLink] = set()
        self._scanner: BleakScanner | None = None
        self._scanning = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if sys.platform == "linux":
            from device_drivers.transports.bluez_watch import watch_bluez  # noqa: PLC0415 - D-Bus is Linux's

            self._watch = asyncio.create_task(watch_bluez(self._died), name="bluez-watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for link in tuple(self._links):
            await link.close()
        await self._stop_scanning()

    async def wait_for(self, address: str) -> None:
        """Return when the device advertises. Raises BluetoothUnavailable."""
        seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address.upper(), []).append(seen)
        try:
            await self._scan()
            await seen
        finally:
            self._forget(address.upper(), seen)
            if not self._waiting and not self._listeners:
                await self._stop_scanning()

    async def advertisements(self) -> AsyncIterator[Advertisement]:
        """Everything that advertises, as it is heard, without end. Raises BluetoothUnavailable."""
        heard: asyncio.Queue[Advertisement | None] = asyncio.Queue(ADVERTISEMENT_QUEUE + 1)
        self._listeners.add(heard)
        try:
            await self._scan()
            while (advertisement := await heard.get()) is not None:
                yield advertisement
            raise BluetoothUnavailable("bluetoothd has gone")
        finally:
            self._listeners.discard(heard)
            if not self._waiting and not self._listeners:
                await self._stop_scanning()

    async def connect(self, address: str, *, clock: Callable[[], datetime]) -> "BleLink":
        """A link to a device that was seen advertising. Raises ConnectFailed, BluetoothUnavailable."""
        device = self._devices.get(address.upper())
        if device is None:
            raise ConnectFailed(f"{address} has not been seen advertising")
        link = BleLink(clock, self._links.discard)
        try:
            client = await establish_connection(
                BleakClient,
                device,
                address,
                disconnected_callback=link.disconnected,
                max_attempts=CONNECT_ATTEMPTS,
                use_services_cache=False,
            )
        except BleakNotFoundError as error:
            raise ConnectFailed(f"{address} went away while connecting") from error
        except FAILURES as error:
            raise ConnectFailed(f"{address} could not be connected: {_said(error)}") from error
        self._links.add(link)
        link.attach(client)
        return link

    async def _scan(self) -> None:
        async with self._scanning:
            if self._scanner is not None:
                return
            scanner = BleakScanner(self._heard)
            try:
                async with asyncio.timeout(COMMAND_SECONDS):
                    await scanner.start()
            except FAILURES as error:
                raise BluetoothUnavailable(f"{_NO_ADAPTER} ({_said(error)})") from error
            self._scanner = scanner

    async def _stop_scanning(self) -> None:
        async with self._scanning:
            scanner, self._scanner = self._scanner, None
            if scanner is not None:
                await _quietly(scanner.stop())

    def _heard(self, device: "BLEDevice", data: "AdvertisementData") -> None:
        address = device.address.upper()
        self._devices[address] = device
        for seen in self._waiting.get(address, ()):
            if not seen.done():
                seen.set_result(None)
        if self._listeners:
            advertisement = Advertisement(
                address=device.address,
                name=data.local_name,
                services=frozenset(uuid.lower() for uuid in data.service_uuids),
                manufacturer_data=dict(data.manufacturer_data),
                rssi=data.rssi,
            )
            for listener in self._listeners:
                if listener.qsize() < ADVERTISEMENT_QUEUE:
                    listener.put_nowait(advertisement)

    def _forget(self, address: str, seen: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(address, [])
        waiting.remove(seen)
        if not waiting:
            self._waiting.pop(address, None)

    def _died(self) -> None:
        """bluetoothd is gone: so is everything that it held."""
        log.warning("bluetoothd has gone; every Bluetooth link is lost")
        self._scanner = None
        self._devices.clear()
        for link in tuple(self._links):
            link.lose()
        for futures in self._waiting.values():
            for seen in futures:
                if not seen.done():
                    seen.set_exception(BluetoothUnavailable("bluetoothd has gone"))
        for listener in self._listeners:
            if not listener.full():
                listener.put_nowait(None)


class BleLink:
    """One connection; see `Link`."""

    def __init__(self, clock: Callable[[], datetime], gone: "Callable[[BleLink], None]") -> None:
        self._clock = clock
        self._gone = gone
        self._events = EventQueue()
        self._lost = asyncio.Event()
        self._client: BleakClient | None = None

    def attach(self, client: BleakClient) -> None:
        """The connection stands and its services are known."""
        self._client = client
        present = frozenset(
            characteristic.uuid.lower() for service in client.services for characteristic in service.characteristics
        )
        self._events.put(LinkEstablished(at=self._clock(), characteristics=present))

    def disconnected(self, client: BleakClient) -> None:
        """bleak's word that the connection has ended."""
        self.lose()

    def lose(self) -> None:
        """No event comes any more, and no answer."""
        self._events.end()
        self._lost.set()
        self._gone(self)

    def events(self) -> AsyncIterator[Event]:
        return self._events.events()

    async def perform(self, command: LinkCommand) -> None:
        client = self._client
        if client is None or self._events.ended:
            raise LinkLost("the connection has ended")
        if isinstance(command, CloseLink):
            await self.close()
            return
        async with self._translating(client):
            await self._unless_lost(self._carry_out(client, command))

    async def _carry_out(self, client: BleakClient, command: LinkCommand) -> None:
        match command:
            case Bond():
                await client.pair()
            case SubscribeTo():
                await client.start_notify(command.characteristic, self._notified)
            case ReadValue():
                data = await client.read_gatt_char(command.characteristic)
                self._received(command.characteristic, bytes(data))
            case WriteValue():
                await client.write_gatt_char(command.characteristic, command.data)
            case _:
                raise CommandFailed(f"Bluetooth can't do {type(command).__name__}")

    async def _unless_lost(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`, or for the end of the connection: no answer comes after it. Raises LinkLost."""
        doing = asyncio.ensure_future(work)
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((doing, lost), return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise LinkLost("the connection has ended")
            doing.result()
        finally:
            for waiting in (doing, lost):
                waiting.cancel()
            await asyncio.gather(doing, lost, return_exceptions=True)

    async def close(self) -> None:
        client, self._client = self._client, None
        self.lose()
        if client is not None:
            await _quietly(client.disconnect())

    def _notified(self, characteristic: "BleakGATTCharacteristic", data: bytearray) -> None:
        self._received(characteristic.uuid.lower(), bytes(data))

    def _received(self, characteristic: str, data: bytes) -> None:
        if not self._events.put(ValueReceived(at=self._clock(), characteristic=characteristic, data=data)):
            self.lose()

    @asynccontextmanager
    async def _translating(self, client: BleakClient) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                yield
        except TransportError:
            raise
        except FAILURES as error:
            if self._events.ended or not client.is_connected:
                raise LinkLost(f"the connection has ended ({_said(error)})") from error
            raise CommandFailed(f"the device refused: {_said(error)}") from error


async def _quietly(ending: Awaitable[object]) -> None:
    """Carry out what ends something; where it has ended by itself, so much the better."""
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            await ending
    except FAILURES as error:
        log.debug("while ending: %s", _said(error))


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
