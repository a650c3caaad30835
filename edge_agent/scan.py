"""What is within reach: Bluetooth devices that advertise and serial ports, with the drivers that may fit.

For `bedside agent scan`. A device that several drivers fit is shown with all of them: choosing is a person's.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable

import msgspec

from device_drivers.registry import DRIVERS, Transport, drivers_for
from device_drivers.transports.link import Advertisement


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One device or port. `rssi` is the last signal strength in dBm, of Bluetooth alone."""

    transport: str
    where: str
    name: str | None
    drivers: tuple[str, ...]
    rssi: int | None = None


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
    fitting = tuple(sorted(key for key, driver in DRIVERS.items() if driver.transport is Transport.SERIAL))
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
