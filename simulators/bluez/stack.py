"""The simulated bluetoothd: methods of adapter, devices and characteristics, carried out by a bumble central.

Connecting is done one device at a time: a controller can make one connection at a time, and eight at once get stuck. Devices that
are neither bonded nor connected are forgotten half a minute after their last advertisement, as BlueZ forgets temporary ones.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from bumble import hci
from bumble.att import ATT_Error
from bumble.core import BaseBumbleError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from simulators.bluez.properties import (
    HCI0,
    characteristic_properties,
    device_properties,
    full_uuid,
    service_properties,
)
from simulators.bluez.subscriptions import NAME_OWNER_CHANGED, Subscriptions, watch_clients
from simulators.bluez.tree import ObjectTree
from simulators.errors import BluetoothFailed
from simulators.radio import Radio

log = logging.getLogger(__name__)

ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
SERVICE: Final = "org.bluez.GattService1"
CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"
DESCRIPTOR: Final = "org.bluez.GattDescriptor1"
CENTRAL_ADDRESS: Final = "C0:00:00:00:00:01"

CONNECT_SECONDS: Final = 10.0
FORGET_SECONDS: Final = 30.0
REPORT_SECONDS: Final = 0.2
"""At most one report of an advertisement a device in so long."""
MTU: Final = 247

Reply = tuple[str, list[Any]] | None


class _Refusal(Exception):
    """A D-Bus error: its name and its text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class SimulatedBlueZ:
    """`org.bluez` on the bus at an address. `refuse` makes a method fail until it is forgiven; `die` and `revive` are bluetoothd's."""

    def __init__(self, radio: Radio, bus_address: str) -> None:
        self._radio = radio
        self._bus_address = bus_address
        self._central: Device = radio.host("central", CENTRAL_ADDRESS)
        self._connecting = asyncio.Lock()
        self._connections: dict[str, Connection] = {}
        self._peers: dict[str, tuple[Peer, CharacteristicProxy[bytes]]] = {}
        self._subscriptions = Subscriptions()
        self._discovering: set[str] = set()
        self._reported: dict[str, float] = {}
        self._refusals: dict[str, tuple[str, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bus: MessageBus | None = None
        self._tree: ObjectTree | None = None

    async def start(self) -> None:
        """Power the central on and appear on the bus."""
        await self._central.power_on()
        self._central.on("advertisement", self._on_advertisement)
        await self.revive()
        self._spawn(self._forget())

    async def revive(self) -> None:
        """Appear on the bus, knowing nothing of what was before."""
        bus = await MessageBus(bus_address=self._bus_address, bus_type=BusType.SYSTEM).connect()
        self._bus, self._tree = bus, ObjectTree(bus)
        self._tree.add(
            HCI0,
            ADAPTER,
            {
                "Address": ("s", CENTRAL_ADDRESS),
                "Name": ("s", "simulated"),
                "Alias": ("s", "simulated"),
                "Powered": ("b", True),
                "Discovering": ("b", False),
                "UUIDs": ("as", []),
                "Roles": ("as", ["central"]),
            },
        )
        bus.add_message_handler(self._on_message)
        await bus.call(watch_clients())
        await bus.request_name("org.bluez")

    async def die(self) -> None:
        """Vanish from the bus, and with it every connection."""
        bus, self._bus, self._tree = self._bus, None, None
        if bus is not None:
            bus.disconnect()
        for connection in list(self._connections.values()):
            with contextlib.suppress(BaseBumbleError, hci.HCI_Error):
                await connection.disconnect()
        self._reported.clear()
        self._discovering.clear()
        with contextlib.suppress(BaseBumbleError, hci.HCI_Error):
            await self._central.stop_scanning()

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await self.die()

    def refuse(self, member: str, name: str = "org.bluez.Error.Failed", text: str = "injected") -> None:
        """Let a method fail from now on."""
        self._refusals[member] = (name, text)

    def forgive(self, member: str) -> None:
        self._refusals.pop(member, None)

    @property
    def _shown(self) -> ObjectTree:
        if self._tree is None:
            raise BluetoothFailed("bluetoothd is not running")
        return self._tree

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # what is heard on the air

    def _on_advertisement(self, heard: Advertisement) -> None:
        if self._tree is None:
            return
        address = heard.address.to_string(with_type_qualifier=False)
        path = f"{HCI0}/dev_{address.replace(':', '_')}"
        now = time.monotonic()
        if now - self._reported.get(path, 0.0) < REPORT_SECONDS:
            return
        self._reported[path] = now
        if path in self._tree.objects:
            self._tree.change(path, DEVICE, RSSI=("n", heard.rssi))
        else:
            self._tree.add(path, DEVICE, device_properties(heard, address))

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS / 3)
            now = time.monotonic()
            for path, at in list(self._reported.items()):
                if now - at > FORGET_SECONDS and path not in self._connections and self._tree is not None:
                    bonded = path in self._tree.objects and self._tree.value(path, DEVICE, "Bonded")
                    if not bonded:
                        del self._reported[path]
                        self._tree.remove(path)

    # what is asked on the bus

    def _on_message(self, message: Message) -> bool | None:
        bus = self._bus
        if message.member == NAME_OWNER_CHANGED:
            for path in self._subscriptions.left_by(message):  # as bluetoothd does, tell their devices
                self._spawn(self._unsubscribe_quietly(path))
            if not message.body[2]:
                self._spawn(self._no_more_discovery_for(message.body[0]))
        ours = bus is not None and message.destination in ("org.bluez", bus.unique_name)
        if message.message_type is not MessageType.METHOD_CALL or not ours:
            return None
        self._spawn(self._answer(message))
        return True

    async def _answer(self, message: Message) -> None:
        bus = self._bus
        try:
            signature, body = await self._carry_out(message) or ("", [])
            reply = Message.new_method_return(message, signature, body)
        except _Refusal as refusal:
            reply = Message.new_error(message, refusal.name, str(refusal))
        except (BaseBumbleError, hci.HCI_Error, ATT_Error, BluetoothFailed, TimeoutError) as error:
            reply = Message.new_error(message, "org.bluez.Error.Failed", str(error) or type(error).__name__)
        except Exception as error:  # who asks must have an answer, or waits for ever
            log.exception("%s of %s has failed", message.member, message.path)
            reply = Message.new_error(message, "org.bluez.Error.Failed", type(error).__name__)
        if bus is not None and bus is self._bus:
            bus.send(reply)

    async def _carry_out(self, message: Message) -> Reply:
        member = message.member or ""
        if member in self._refusals:
            raise _Refusal(*self._refusals[member])
        method = _METHODS.get(member)
        if method is None:
            raise _Refusal("org.freedesktop.DBus.Error.UnknownMethod", f"no method {member}")
        if message.path != "/" and message.path not in self._shown.objects:
            raise _Refusal("org.freedesktop.DBus.Error.UnknownObject", f"no object {message.path}")
        return await method(self, message)

    async def _get_managed_objects(self, message: Message) -> Reply:
        return "a{oa{sa{sv}}}", [self._shown.objects]

    async def _get_all(self, message: Message) -> Reply:
        return "a{sv}", [self._shown.objects[message.path or ""].get(message.body[0], {})]

    async def _get(self, message: Message) -> Reply:
        return "v", [self._shown.objects[message.path or ""][message.body[0]][message.body[1]]]

    async def _set(self, message: Message) -> Reply:
        interface, name, variant = message.body
        self._shown.change(message.path or "", interface, **{name: (variant.signature, variant.value)})
        return None

    async def _nothing(self, message: Message) -> Reply:
        return None

    async def _start_discovery(self, message: Message) -> Reply:
        self._discovering.add(message.sender or "")
        await self._central.start_scanning(filter_duplicates=False)
        self._shown.change(HCI0, ADAPTER, Discovering=("b", True))
        return None

    async def _stop_discovery(self, message: Message) -> Reply:
        await self._no_more_discovery_for(message.sender or "")
        return None

    async def _no_more_discovery_for(self, client: str) -> None:
        """Discovery goes on as long as any client on the bus wants it."""
        if client in self._discovering:
            self._discovering.discard(client)
            if not self._discovering and self._tree is not None:
                await self._central.stop_scanning()
                self._shown.change(HCI0, ADAPTER, Discovering=("b", False))

    async def _remove_device(self, message: Message) -> Reply:
        path = message.body[0]
        if connection := self._connections.get(path):
            await connection.disconnect()
        self._reported.pop(path, None)
        self._shown.remove(path)
        return None

    async def _connect(self, message: Message) -> Reply:
        await self._connect_to(message.path or "")
        return None

    async def _connect_to(self, path: str) -> None:
        if path in self._connections:
            return
        address = hci.Address(self._shown.value(path, DEVICE, "Address"), hci.Address.RANDOM_DEVICE_ADDRESS)
        async with self._connecting:
            try:
                connection = await self._central.connect(address, timeout=CONNECT_SECONDS)
            except (BaseBumbleError, hci.HCI_Error, TimeoutError) as error:
                raise _Refusal("org.bluez.Error.Failed", "le-connection-abort-by-local") from error
        self._connections[path] = connection
        connection.on("disconnection", lambda _reason: self._on_disconnection(path))
        self._shown.change(path, DEVICE, Connected=("b", True))
        self._spawn(self._resolve(path, connection))  # as bluetoothd: Connect returns first

    async def _resolve(self, path: str, connection: Connection) -> None:
        """Discover services and show them."""
        try:
            peer = Peer(connection)
            mtu = await peer.request_mtu(MTU)
            await peer.discover_all()  # type: ignore[no-untyped-call]
        except (BaseBumbleError, hci.HCI_Error, ATT_Error, TimeoutError) as error:
            log.debug("services of %s: %s", path, error)
            return
        if path not in self._connections or self._tree is None:
            return
        for service in peer.services:
            service_path = f"{path}/service{service.handle:04x}"
            self._tree.add(service_path, SERVICE, service_properties(service.uuid, path))
            for characteristic in service.characteristics:
                self._show_characteristic(service_path, peer, characteristic, mtu)
        uuids = [full_uuid(service.uuid) for service in peer.services]
        self._tree.change(path, DEVICE, ServicesResolved=("b", True), UUIDs=("as", uuids))

    def _show_characteristic(
        self, service_path: str, peer: Peer, characteristic: "CharacteristicProxy[bytes]", mtu: int
    ) -> None:
        path = f"{service_path}/char{characteristic.handle - 1:04x}"
        self._peers[path] = (peer, characteristic)
        self._shown.add(
            path,
            CHARACTERISTIC,
            characteristic_properties(characteristic, service_path, mtu),
        )
        for descriptor in characteristic.descriptors:
            self._shown.add(
                f"{path}/desc{descriptor.handle:04x}",
                DESCRIPTOR,
                {"UUID": ("s", full_uuid(descriptor.type)), "Characteristic": ("o", path), "Value": ("ay", b"")},
            )

    def _on_disconnection(self, path: str) -> None:
        self._connections.pop(path, None)
        for known in [other for other in self._peers if other.startswith(f"{path}/")]:
            self._peers.pop(known)
            self._subscriptions.remove(known)
        if self._tree is None:
            return
        self._tree.change(path, DEVICE, ServicesResolved=("b", False), Connected=("b", False))
        for service in [other for other in self._tree.objects if other.startswith(f"{path}/service")]:
            if service in self._tree.objects:
                self._tree.remove(service)

    async def _disconnect(self, message: Message) -> Reply:
        if connection := self._connections.get(message.path or ""):
            await connection.disconnect()
        return None

    async def _pair(self, message: Message) -> Reply:
        path = message.path or ""
        await self._connect_to(path)
        await self._central.pair(self._connections[path])
        self._shown.change(path, DEVICE, Paired=("b", True), Bonded=("b", True))
        return None

    def _known(self, message: Message) -> tuple[Peer, "CharacteristicProxy[bytes]"]:
        known = self._peers.get(message.path or "")
        if known is None:
            raise _Refusal("org.bluez.Error.Failed", "Not connected")
        return known

    async def _read_value(self, message: Message) -> Reply:
        peer, characteristic = self._known(message)
        return "ay", [bytes(await peer.read_value(characteristic))]

    async def _write_value(self, message: Message) -> Reply:
        peer, characteristic = self._known(message)
        kind: Variant | None = message.body[1].get("type")
        with_response = kind is None or kind.value != "command"
        await peer.write_value(characteristic, bytes(message.body[0]), with_response=with_response)
        return None

    async def _start_notify(self, message: Message) -> Reply:
        peer, characteristic = self._known(message)
        path = message.path or ""

        def received(value: bytes) -> None:
            if self._tree is not None:
                self._tree.change(path, CHARACTERISTIC, Value=("ay", bytes(value)))

        self._subscriptions.add(path, client=message.sender or "", received=received)
        await peer.subscribe(characteristic, received)
        self._shown.change(path, CHARACTERISTIC, Notifying=("b", True))
        return None

    async def _stop_notify(self, message: Message) -> Reply:
        self._known(message)
        await self._unsubscribe(message.path or "")
        return None

    async def _unsubscribe(self, path: str) -> None:
        peer, characteristic = self._peers[path]
        await peer.unsubscribe(characteristic, self._subscriptions.remove(path))
        self._shown.change(path, CHARACTERISTIC, Notifying=("b", False))

    async def _unsubscribe_quietly(self, path: str) -> None:
        with contextlib.suppress(BaseBumbleError, hci.HCI_Error, ATT_Error, BluetoothFailed, TimeoutError, KeyError):
            await self._unsubscribe(path)  # unless the device has left meanwhile


_METHODS: Final[dict[str, Callable[[SimulatedBlueZ, Message], Awaitable[Reply]]]] = {
    "GetManagedObjects": SimulatedBlueZ._get_managed_objects,
    "GetAll": SimulatedBlueZ._get_all,
    "Get": SimulatedBlueZ._get,
    "Set": SimulatedBlueZ._set,
    "SetDiscoveryFilter": SimulatedBlueZ._nothing,
    "StartDiscovery": SimulatedBlueZ._start_discovery,
    "StopDiscovery": SimulatedBlueZ._stop_discovery,
    "RemoveDevice": SimulatedBlueZ._remove_device,
    "Connect": SimulatedBlueZ._connect,
    "Disconnect": SimulatedBlueZ._disconnect,
    "Pair": SimulatedBlueZ._pair,
    "ReadValue": SimulatedBlueZ._read_value,
    "WriteValue": SimulatedBlueZ._write_value,
    "StartNotify": SimulatedBlueZ._start_notify,
    "StopNotify": SimulatedBlueZ._stop_notify,
}
"""What the bus may ask, by the method's name (names are unique over BlueZ's interfaces that bleak uses)."""
