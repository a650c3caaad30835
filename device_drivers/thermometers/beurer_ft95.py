"""Beurer's thermometer FT95: Temperature Measurement 0x2A1C, with flags of its own among those that the standard reserves.

It measures people and things; which it was, the type does not say for sure: the maker's own example has 255 in it. One of its reserved flags says
that the display warns of fever. Sources do not agree on which: bit 7 (PLUX's Java interface to Beurer's devices; a C# class made from the maker's
document counts its bits from the other end and comes to the same) or bit 3. Both are shown and neither is used: the temperature says as much.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Self

from device_drivers.advertisement import Marks
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.sig import health_thermometer, session
from device_drivers.sig.floats import number_in_words
from device_drivers.sig.health_thermometer import Flag, TemperatureMeasurement
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.units import Unit

_BIT_3: Final = 1 << 3
_BIT_7: Final = 1 << 7
_OWN: Final = _BIT_3 | _BIT_7
_NO_SITE: Final = 0xFF
_WHICH_BIT: Final = "which of the flags' bits 3 and 7 says that the display warns of fever"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ft95Measurement(TemperatureMeasurement):
    """One indication, in the thermometer's own words. Either bit may say that the display warns of fever; they are not in `reserved_flags`."""

    bit_3: bool = False
    bit_7: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 5 to 13 bytes; what follows is ignored. Raises Truncated."""
        plain = TemperatureMeasurement.from_bytes(data)
        return cls(
            temperature=plain.temperature,
            unit=plain.unit,
            timestamp=plain.timestamp,
            site=plain.site,
            reserved_flags=(plain.reserved_flags or 0) & ~_OWN or None,
            bit_3=bool(data[0] & _BIT_3),
            bit_7=bool(data[0] & _BIT_7),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what its bytes can't hold."""
        if (self.reserved_flags or 0) & _OWN:
            raise ValueError("reserved_flags: bits 3 and 7 have fields of their own")
        plain = TemperatureMeasurement.__bytes__(self)
        return bytes((plain[0] | self.bit_3 * _BIT_3 | self.bit_7 * _BIT_7,)) + plain[1:]


def _describe(data: bytes) -> Parts:
    value, parts = Ft95Measurement.from_bytes(data), Parts(data)
    unit = "°F" if value.unit is Unit.FAHRENHEIT else "°C"
    fever = "fever on the display, by some sources" if value.bit_3 or value.bit_7 else "no fever on the display"
    names = ("unit", "reserved_flags", "bit_3", "bit_7")
    parts.add(1, "flags", f"{bits_in_words(data[0], Flag)}; unit {unit}; {fever}", *names)
    parts.add(4, "temperature", number_in_words(value.temperature, unit=unit))
    if value.timestamp is not None:
        parts.add(DateTime.SIZE, "timestamp", value.timestamp)
    if value.site is not None:
        site = f"unknown ({_NO_SITE})" if value.site == _NO_SITE else health_thermometer.site_in_words(value.site)
        parts.add(1, "temperature_type", site)
    parts.rest()
    return parts


PROFILE: Final = replace(health_thermometer.PROFILE, decode=Ft95Measurement.from_bytes)
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A1C-beurer-ft95",
        title="Temperature Measurement as the Beurer FT95 sends it",
        source="a C# class from Beurer's document of the FT95; PLUX's Java interface to Beurer's devices, TemperatureFlag",
        message=Ft95Measurement,
        decode=Ft95Measurement.from_bytes,
        encode=bytes,
        describe=_describe,
        unverified=(_WHICH_BIT,),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="beurer-ft95",
        title="Beurer FT95 thermometer",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        formats=("2A1C-beurer-ft95",),
        measures=(Parameter.TEMPERATURE,),
        marks=(Marks(names=("FT95",)),),
        session=partial(health_thermometer.Session, profile=PROFILE),
        verified=(Verified.STANDARD, Verified.SECOND_SOURCE),
        sleeps=True,
        stale_after_seconds=300,
        options=session.OPTIONS,
        missing=f"whether a person or a thing was measured; {_WHICH_BIT} (neither is used)",
    ),
)
