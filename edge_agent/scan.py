"""What is within reach: Bluetooth devices that advertise, serial ports and USB devices, with the drivers that may fit.

For `bedside agent scan`. A device that several drivers fit is shown with all of them: choosing is a person's.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Final

import msgspec

from device_drivers.advertisement import Advertisement
from device_drivers.driver import SerialSettings, Transport
from device_drivers.errors import LinkLost, TransportError
from device_drivers.registry import drivers_for, drivers_on
from device_drivers.sessions import BytesReceived
from device_drivers.sniffing import Evidence, Sniffer, serial_drivers, settings_to_try
from device_drivers.transports.link import Link
from device_drivers.transports.usb_devices import UsbDevice

SILENT: Final = "silent: a device that must be asked first, or none"


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One device or port. `rssi` is the last signal strength in dBm, of Bluetooth alone; `heard` and `problem` are of ports that were
    listened to."""

    transport: str
    where: str
    name: str | None
    drivers: tuple[str, ...]
    rssi: int | None = None
    heard: str | None = None
    problem: str | None = None


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen; `bluetooth_problem` says why there is nothing of Bluetooth, where that is so."""

    sightings: tuple[Sighting, ...]
    bluetooth_problem: str | None = None


async def advertising(
    advertisements: AsyncIterable[Advertisement], *, seconds: float, sleep: Callable[[float], Awaitable[None]]
) -> tuple[Sighting, ...]:
    """Every peripheral heard in that time once, those with a driver first, the nearest first."""
    heard: dict[str, Sighting] = {}

    async def listen() -> None:
        async for advertisement in advertisements:
            heard[advertisement.address] = _merged(heard.get(advertisement.address), advertisement)

    listening = asyncio.create_task(listen(), name="scan")
    waiting = asyncio.ensure_future(sleep(seconds))
    try:
        await asyncio.wait((listening, waiting), return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            listening.result()
    finally:
        listening.cancel()
        waiting.cancel()
        await asyncio.gather(listening, waiting, return_exceptions=True)
    return tuple(sorted(heard.values(), key=lambda one: (not one.drivers, -(one.rssi or -999), one.where)))


def serial_ports(ports: Iterable[tuple[str, str | None]]) -> tuple[Sighting, ...]:
    """Serial ports by name and description. A port doesn't tell what is behind it: every serial driver may fit."""
    fitting = tuple(sorted(driver.key for driver in serial_drivers()))
    return tuple(
        Sighting(transport=Transport.SERIAL, where=port, name=description, drivers=fitting)
        for port, description in sorted(ports)
    )


def _merged(before: Sighting | None, advertisement: Advertisement) -> Sighting:
    """Scan responses come apart from advertisements: what one of them said stays said."""
    drivers = tuple(driver.key for driver in drivers_for(advertisement))
    return Sighting(
        transport=Transport.BLE,
        where=advertisement.address,
        name=advertisement.name or (before.name if before else None),
        drivers=drivers or (before.drivers if before else ()),
        rssi=advertisement.rssi,
    )


async def listened(
    port: Sighting,
    connect: Callable[[str, SerialSettings], Awaitable[Link]],
    *,
    seconds: float,
    sleep: Callable[[float], Awaitable[None]],
) -> Sighting:
    """The port again, with the drivers whose frames are heard on it: so long with each setting of a line, sending nothing. A silent line may
    be that of a device which must be asked: every driver is shown then, as before."""
    found: tuple[Evidence, ...] = ()
    bytes_heard = 0
    for settings in settings_to_try():
        try:
            link = await connect(port.where, settings)
            sniffer = await _sniffed(link, settings, seconds=seconds, sleep=sleep)
        except TransportError as error:
            return msgspec.structs.replace(port, problem=error.reason)
        bytes_heard += sniffer.heard
        found += sniffer.evidence
    if not found:
        return msgspec.structs.replace(port, heard=f"{bytes_heard} bytes of no known format" if bytes_heard else SILENT)
    best = sorted(found, key=lambda one: -one.share)
    heard = ", ".join(f"{one.frames} frames of {one.wire_format} ({one.share:.0%} of all bytes)" for one in best)
    return msgspec.structs.replace(port, drivers=tuple(dict.fromkeys(one.driver for one in best)), heard=heard)


async def _sniffed(
    link: Link, settings: SerialSettings, *, seconds: float, sleep: Callable[[float], Awaitable[None]]
) -> Sniffer:
    """What was heard. Raises LinkLost where the port went away meanwhile."""
    sniffer = Sniffer(settings)

    async def listen() -> None:
        async for event in link.events():
            if isinstance(event, BytesReceived):
                sniffer.receive_data(event.data)

    listening = asyncio.create_task(listen(), name="sniff")
    try:
        await sleep(seconds)
    finally:
        is_gone = listening.done()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await link.close()
    if is_gone:
        raise LinkLost("it went away while it was listened to")
    return sniffer


def plugged(devices: Iterable[UsbDevice]) -> tuple[Sighting, ...]:
    """USB devices that a driver knows; of all the others a scan would only be long."""
    return tuple(
        Sighting(transport=Transport.USB_HID, where=device.where, name=device.name, drivers=drivers)
        for device in devices
        if (drivers := tuple(driver.key for driver in drivers_on(device.usb)))
    )
