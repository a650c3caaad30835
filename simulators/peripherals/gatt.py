"""A Bluetooth LE peripheral: services and characteristics on the virtual radio, advertising, indications that are confirmed or not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bumble import hci
from bumble.att import ATT_Error, Attribute, ErrorCode
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

from device_drivers.uuids import short
from simulators.errors import LinkGone, Unreadable
from simulators.models.model import Property
from simulators.radio import Radio

ADVERTISING_INTERVAL_MS: Final = 100.0  # bumble's default of a second makes connecting take seven
CONFIRM_SECONDS: Final = 10.0
REMOTE_USER_ENDED: Final = 0x13
SUPERVISION_TIMEOUT: Final = 0x08


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacteristicSpec:
    """One characteristic by its full UUID; `read` gives its value or raises Unreadable, `written` takes what a central writes."""

    uuid: str
    properties: frozenset[Property]
    read: Callable[[], bytes] | None = None
    written: Callable[[bytes], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    uuid: str
    characteristics: Sequence[CharacteristicSpec]


@dataclass(slots=True)
class _Events:
    """What has happened to the current connection."""

    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    subscribed: dict[int, asyncio.Event] = field(default_factory=dict)


class GattPeripheral:
    """A device that can be found, connected to, subscribed to and lost. One central at a time.

    Call `power_on` once; `advertise` and `hide` as often as it wakes and sleeps.
    """

    def __init__(
        self,
        radio: Radio,
        *,
        name: str,
        address: str,
        services: Sequence[ServiceSpec],
        advertised: Sequence[str] | None = None,
        manufacturer_data: Mapping[int, bytes] | None = None,
    ) -> None:
        """`advertised` are the services that its advertisements name, the first one if not said."""
        self.name = name
        self._device: Device = radio.host(name, address)
        self._device.advertising_interval_min = self._device.advertising_interval_max = ADVERTISING_INTERVAL_MS
        self._characteristics: Mapping[str, Characteristic[bytes]] = {
            spec.uuid: _characteristic(spec) for service in services for spec in service.characteristics
        }
        for service in services:
            members = [self._characteristics[spec.uuid] for spec in service.characteristics]
            self._device.add_service(Service(UUID(service.uuid), members))
        named = [service.uuid for service in services[:1]] if advertised is None else advertised
        self._advertised, self._scan_response = _advertised(name, named, manufacturer_data or {})
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._events = _Events()
        self._device.on("connection", self._on_connection)
        for uuid, characteristic in self._characteristics.items():
            characteristic.on("subscription", self._on_subscription(uuid))
        self._handles = {uuid: index for index, uuid in enumerate(self._characteristics)}

    async def power_on(self) -> None:
        await self._device.power_on()

    async def advertise(self) -> None:
        """Be found, until a central connects or `hide`."""
        if not self._device.is_advertising and self._connection is None:
            await self._device.start_advertising(
                advertising_data=self._advertised, scan_response_data=self._scan_response, auto_restart=False
            )

    async def hide(self) -> None:
        """Sleep."""
        if self._device.is_advertising:
            await self._device.stop_advertising()

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def wait_connected(self) -> None:
        await self._connected.wait()

    async def wait_disconnected(self) -> None:
        if self._connection is not None:
            await self._events.disconnected.wait()

    async def wait_subscribed(self, uuid: str) -> None:
        """Return when the central has enabled the characteristic, however long that takes. Raises LinkGone when it leaves before."""
        await self._or_gone(self._subscription(uuid).wait(), seconds=None)

    async def indicate(self, uuid: str, value: bytes) -> None:
        """Send, and return when the central has confirmed. Raises LinkGone where it did not, or does not listen any more."""
        connection = self._standing()
        if not self._subscription(uuid).is_set():
            raise LinkGone(f"{self.name}: nobody is subscribed")
        indication = self._device.indicate_subscriber(connection, self._characteristics[uuid], value)
        await self._or_gone(indication, seconds=CONFIRM_SECONDS)

    async def notify(self, uuid: str, value: bytes) -> None:
        """Send without a confirmation. Raises LinkGone."""
        notification = self._device.notify_subscriber(self._standing(), self._characteristics[uuid], value)
        await self._or_gone(notification, seconds=CONFIRM_SECONDS)

    async def drop(self, reason: int = REMOTE_USER_ENDED) -> None:
        """End the connection from this side; SUPERVISION_TIMEOUT looks like a lost link."""
        if self._connection is None:
            return
        try:
            await self._connection.disconnect(reason)
        except (BaseBumbleError, hci.HCI_Error):
            return  # the central was quicker

    def _standing(self) -> Connection:
        if self._connection is None:
            raise LinkGone(f"{self.name} is not connected")
        return self._connection

    async def _or_gone(self, work: Awaitable[object], *, seconds: float | None) -> None:
        """`work`, unless the connection ends first, or it takes longer."""
        doing = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._events.disconnected.wait())
        try:
            await asyncio.wait({doing, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise LinkGone(f"{self.name}: the central left or did not answer")
            try:
                doing.result()
            except (BaseBumbleError, hci.HCI_Error, TimeoutError) as error:
                raise LinkGone(f"{self.name}: {type(error).__name__}") from error
        finally:
            for task in (doing, gone):
                task.cancel()

    def _subscription(self, uuid: str) -> asyncio.Event:
        return self._events.subscribed.setdefault(self._handles[uuid], asyncio.Event())

    def _on_connection(self, connection: Connection) -> None:
        self._events = _Events()
        self._connection = connection
        connection.on("disconnection", self._on_disconnection)
        self._connected.set()

    def _on_disconnection(self, reason: int) -> None:
        self._connection = None
        self._events.disconnected.set()
        self._connected.clear()

    def _on_subscription(self, uuid: str) -> Callable[[Connection, bool, bool], None]:
        def changed(connection: Connection, notify: bool, indicate: bool) -> None:  # noqa: FBT001 - bumble's own
            subscription = self._subscription(uuid)
            if notify or indicate:
                subscription.set()
            else:
                subscription.clear()

        return changed


def _characteristic(spec: CharacteristicSpec) -> "Characteristic[bytes]":
    properties = Characteristic.Properties(0)
    for member in spec.properties:
        properties |= Characteristic.Properties[member]
    permissions = Attribute.Permissions(0)
    read, written = spec.read, spec.written
    if Property.READ in spec.properties:
        permissions |= Attribute.READABLE
    if spec.properties & {Property.WRITE, Property.WRITE_WITHOUT_RESPONSE}:
        permissions |= Attribute.WRITEABLE
    value = CharacteristicValue(
        read=(lambda _connection: _value(read)) if read and Property.READ in spec.properties else None,
        write=(lambda _connection, data: written(bytes(data))) if written else None,
    )
    return Characteristic(UUID(spec.uuid), properties, permissions, value if read or written else b"")


def _value(read: Callable[[], bytes]) -> bytes:
    """Bumble answers the central only with its own errors."""
    try:
        return read()
    except Unreadable as error:
        raise ATT_Error(ErrorCode.READ_NOT_PERMITTED) from error


def _advertised(name: str, services: Sequence[str], companies: Mapping[int, bytes]) -> tuple[bytes, bytes]:
    """An advertisement with flags and services, and the answer to a scan with the name and manufacturer data: 31 bytes each."""
    said = [(AdvertisingData.FLAGS, b"\x06")]
    for size, kind in (
        (2, AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS),
        (16, AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS),
    ):
        if uuids := b"".join(bytes(uuid) for uuid in map(_shortened, services) if len(bytes(uuid)) == size):
            said.append((kind, uuids))
    answer = [(AdvertisingData.COMPLETE_LOCAL_NAME, name.encode())]
    answer += [
        (AdvertisingData.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + data)
        for company, data in companies.items()
    ]
    return bytes(AdvertisingData(said)), bytes(AdvertisingData(answer))


def _shortened(uuid: str) -> UUID:
    """A UUID of the SIG's in its 16 bits."""
    assigned = short(uuid)
    return UUID(assigned if len(assigned) == 4 else uuid)
