"""Which driver talks to which device: by what it advertises, or by what the configuration says of a serial line.

A new device is one module and one entry here. Where several drivers would take an advertisement all are shown; none is guessed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import partial
from types import MappingProxyType
from typing import Final

from device_drivers import contec_v7, nonin_df2, nonin_df8, sig_session, uuids
from device_drivers.errors import UnknownDriver
from device_drivers.sessions import Session, SessionContext
from device_drivers.transports.link import Advertisement
from vitals.identifiers import DeviceType


@unique
class Transport(StrEnum):
    BLE = "ble"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSettings:
    """How a line is set: bits a second, data bits, parity (N, E, O), stop bits."""

    baud: int
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One kind of device.

    `services` are advertised UUIDs by which it is known. `sleeps`: it is idle between measurements, never lost. On a standing link
    `stale_after_seconds` of silence count as a loss. `verified` says how: capture, vendor document, one source.
    """

    key: str
    title: str
    device_type: DeviceType
    transport: Transport
    session: Callable[[SessionContext], Session]
    verified: str
    services: frozenset[str] = frozenset()
    serial: SerialSettings | None = None
    sleeps: bool = False
    stale_after_seconds: float | None = None


_ALL: Final = (
    Driver(
        key="sig-blood-pressure",
        title="Blood pressure cuff (Bluetooth SIG profile)",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        services=frozenset({uuids.BLOOD_PRESSURE_SERVICE}),
        session=partial(sig_session.Session, profile=sig_session.BLOOD_PRESSURE),
        verified="standard, and captures of several cuffs",
        sleeps=True,
        stale_after_seconds=300,
    ),
    Driver(
        key="sig-health-thermometer",
        title="Thermometer (Bluetooth SIG profile)",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        services=frozenset({uuids.HEALTH_THERMOMETER_SERVICE}),
        session=partial(sig_session.Session, profile=sig_session.THERMOMETER),
        verified="standard, and captures of several thermometers",
        sleeps=True,
        stale_after_seconds=300,
    ),
    Driver(
        key="contec-v7",
        title="Contec CMS50D+ / CMS50E / CMS50F pulse oximeter, protocol V7.0",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=115200),
        session=contec_v7.Session,
        verified="vendor document, and a capture",
        stale_after_seconds=10,
    ),
    Driver(
        key="nonin-df2",
        title="Nonin pulse oximeter, serial data format 2",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        session=nonin_df2.Session,
        verified="vendor document",
        stale_after_seconds=10,
    ),
    Driver(
        key="nonin-df8",
        title="Nonin pulse oximeter, serial data format 8",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        session=nonin_df8.Session,
        verified="vendor document",
        stale_after_seconds=10,
    ),
)

DRIVERS: Final[Mapping[str, Driver]] = MappingProxyType({driver.key: driver for driver in _ALL})


def driver(key: str) -> Driver:
    """The driver under `key`. Raises UnknownDriver."""
    try:
        return DRIVERS[key]
    except KeyError:
        raise UnknownDriver(key, sorted(DRIVERS)) from None


def drivers_for(advertisement: Advertisement) -> tuple[Driver, ...]:
    """Every driver that would take the device; none, one, or several where the advertisement leaves it open."""
    return tuple(driver for driver in _ALL if driver.services & advertisement.services)
