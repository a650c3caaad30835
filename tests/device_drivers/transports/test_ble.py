"""What bleak raises never leaves the transport: each of its errors becomes one of ours."""

import asyncio
import inspect
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import bleak.exc
import bleak_retry_connector
import pytest
from bleak.exc import BleakBluetoothNotAvailableReason, BleakError
from dbus_fast.errors import DBusError

from device_drivers import uuids
from device_drivers.errors import BluetoothUnavailable, CommandFailed, ConnectFailed, LinkLost
from device_drivers.sessions import Bond, LinkEstablished, ReadValue, SubscribeTo, ValueReceived, WriteValue
from device_drivers.transports import ble

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "BleakBluetoothNotAvailableError": ("off", BleakBluetoothNotAvailableReason.NO_BLUETOOTH),
    "BleakDBusError": ("org.bluez.Error.Failed", ["le-connection-abort-by-local"]),
    "BleakGATTProtocolError": (5,),
}


def bleaks_errors() -> list[Exception]:
    """One of each error that bleak and its connector define, and those of what lies below them."""
    kinds = {
        kind
        for module in (bleak.exc, bleak_retry_connector)
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, BleakError)
    }
    made = [kind(*ARGUMENTS.get(kind.__name__, ("said",))) for kind in sorted(kinds, key=lambda kind: kind.__name__)]
    return [*made, DBusError("org.bluez.Error.Failed", "said"), OSError(5, "said"), EOFError(), TimeoutError()]


ERRORS = pytest.mark.parametrize("error", bleaks_errors(), ids=lambda error: type(error).__name__)


class Client:
    """A bleak client whose every word raises, or answers `b"\\x64"`."""

    def __init__(self, error: Exception | None = None, *, connected: bool = True) -> None:
        self.error = error
        self.is_connected = connected
        battery = SimpleNamespace(uuid=uuids.BATTERY_LEVEL.upper())
        self.services = [SimpleNamespace(characteristics=[battery])]

    async def _say(self, *_: Any, **__: Any) -> bytes:
        if self.error is not None:
            raise self.error
        return b"\x64"

    pair = start_notify = read_gatt_char = write_gatt_char = disconnect = _say


def clock() -> datetime:
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


def linked(client: Client) -> ble.BleLink:
    link = ble.BleLink(clock, lambda _: None)
    link.attach(client)  # type: ignore[arg-type]
    return link


COMMANDS = pytest.mark.parametrize(
    "command",
    [
        Bond(),
        SubscribeTo(characteristic=uuids.BATTERY_LEVEL),
        ReadValue(characteristic=uuids.BATTERY_LEVEL),
        WriteValue(characteristic=uuids.DATE_TIME, data=b""),
    ],
    ids=lambda command: type(command).__name__,
)


@COMMANDS
@ERRORS
async def test_a_refused_command_leaves_the_link(error, command):
    with pytest.raises(CommandFailed):
        await linked(Client(error)).perform(command)


@COMMANDS
@ERRORS
async def test_a_command_on_an_ended_connection_says_that_it_is_lost(error, command):
    with pytest.raises(LinkLost):
        await linked(Client(error, connected=False)).perform(command)


@ERRORS
async def test_closing_never_raises(error):
    link = linked(Client(error))
    await link.close()
    await link.close()


@ERRORS
async def test_a_failed_connection_says_so(error, monkeypatch):
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(ble, "establish_connection", fail)
    bluetooth = ble.Bluetooth()
    bluetooth._heard(SimpleNamespace(address="aa"), None)  # type: ignore[arg-type]
    with pytest.raises(ConnectFailed):
        await bluetooth.connect("aa", clock=clock)


@ERRORS
async def test_a_scan_that_can_not_start_means_no_bluetooth(error, monkeypatch):
    async def fail() -> None:
        raise error

    monkeypatch.setattr(ble, "BleakScanner", lambda _: SimpleNamespace(start=fail))
    with pytest.raises(BluetoothUnavailable):
        await ble.Bluetooth().wait_for("aa")


async def test_a_read_value_comes_as_an_event():
    link = linked(Client())
    await link.perform(ReadValue(characteristic=uuids.BATTERY_LEVEL))
    link.lose()
    assert [event async for event in link.events()] == [
        LinkEstablished(at=clock(), characteristics=frozenset({uuids.BATTERY_LEVEL})),
        ValueReceived(at=clock(), characteristic=uuids.BATTERY_LEVEL, data=b"\x64"),
    ]


async def test_a_dead_bluetoothd_ends_every_wait_and_every_link(monkeypatch):
    started = asyncio.Event()

    async def start() -> None:
        started.set()

    monkeypatch.setattr(ble, "BleakScanner", lambda _: SimpleNamespace(start=start, stop=start))
    bluetooth = ble.Bluetooth()
    link = ble.BleLink(clock, bluetooth._links.discard)
    link.attach(Client())  # type: ignore[arg-type]
    bluetooth._links.add(link)

    waiting = asyncio.create_task(bluetooth.wait_for("aa"))
    listening = asyncio.create_task(anext(aiter(bluetooth.advertisements())))
    await asyncio.wait_for(started.wait(), 5)
    bluetooth._died()
    async with asyncio.timeout(5):
        for waited in (waiting, listening):
            with pytest.raises(BluetoothUnavailable):
                await waited
        assert len([event async for event in link.events()]) == 1


@pytest.mark.parametrize("command", [ReadValue(characteristic=uuids.BATTERY_LEVEL), Bond()])
async def test_a_command_does_not_outlive_its_connection(command):
    """No answer comes after it, and a Bluetooth daemon may not say so."""
    asked = asyncio.Event()

    class Silent(Client):
        async def _never(self, *_: Any, **__: Any) -> bytes:
            asked.set()
            return await asyncio.Event().wait()

        pair = read_gatt_char = _never

    link = linked(Silent())
    performing = asyncio.create_task(link.perform(command))
    await asked.wait()
    link.lose()
    with pytest.raises(LinkLost):
        async with asyncio.timeout(1):
            await performing
