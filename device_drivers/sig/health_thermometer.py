"""Health Thermometer Service (HTS 1.0): temperature 0x2A1C, intermediate temperature 0x2A1E, type 0x2A1D, interval 0x2A21.

Layout by GATT Specification Supplement, Temperature Measurement, Temperature Type and Measurement Interval; Health Thermometer Service 1.0, 3.1 to 3.4. The
unit on the wire may differ from the display's: a thermometer that showed 98.5 °F sent 36.97 °C.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, IntFlag, unique
from functools import partial
from typing import Any, Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed
from device_drivers.fields import named
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.ieee11073 import FLOAT, Number
from device_drivers.packing import pack
from device_drivers.sessions import Command, Deliver, ReadValue, SessionContext, ValueReceived
from device_drivers.sig import session
from device_drivers.sig.floats import number_in_words
from device_drivers.values import numbered
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading
from vitals.units import Unit

LOWEST: Final = Decimal(-300)
HIGHEST: Final = Decimal(1000)
"""Beyond these the bytes are no temperature at all, in either unit."""


@unique
class TemperatureType(IntEnum):
    """Temperature Type 0x2A1D: where it was measured; 0 and what is not here are reserved."""

    ARMPIT = 1
    BODY = 2
    EAR = 3
    FINGER = 4
    GASTRO_INTESTINAL_TRACT = 5
    MOUTH = 6
    RECTUM = 7
    TOE = 8
    TYMPANUM = 9


class Flag(IntFlag):
    """The first byte; bits 3 to 7 are reserved, and real thermometers set them."""

    FAHRENHEIT = 1 << 0
    TIMESTAMP = 1 << 1
    TYPE = 1 << 2


_FAHRENHEIT, _TIMESTAMP, _TYPE = (flag.value for flag in Flag)  # plain: decoding is a hot path
_RESERVED: Final = 0xFF & ~(_FAHRENHEIT | _TIMESTAMP | _TYPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureMeasurement:
    """One indication of 0x2A1C, or notification of 0x2A1E, in the thermometer's own words.

    `site` is the code as sent. `reserved_flags` are the bits of the first byte that the standard gives no meaning, where a maker's own may be; None where
    none is set.
    """

    temperature: Number
    unit: Unit = Unit.CELSIUS
    timestamp: DateTime | None = None
    site: int | None = named("temperature_type", default=None)
    reserved_flags: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 5 to 13 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        return cls(
            unit=Unit.FAHRENHEIT if flags & _FAHRENHEIT else Unit.CELSIUS,
            temperature=fields.float32_11073(),
            timestamp=fields.date_time() if flags & _TIMESTAMP else None,
            site=fields.u8() if flags & _TYPE else None,
            reserved_flags=flags & _RESERVED or None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what its bytes can't hold."""
        flags = self.reserved_flags or 0
        if flags & ~_RESERVED:
            raise ValueError(f"reserved_flags: {flags:#04x} has bits that are not reserved")
        flags |= _FAHRENHEIT if self.unit is Unit.FAHRENHEIT else 0
        parts = [FLOAT.encode(self.temperature)]
        if self.timestamp is not None:
            flags |= _TIMESTAMP
            parts.append(bytes(self.timestamp))
        if self.site is not None:
            flags |= _TYPE
            parts.append(bytes((self.site,)))
        return bytes((flags,)) + b"".join(parts)

    def reading(
        self,
        device: DeviceKey,
        *,
        raw: bytes,
        measured: datetime,
        received: datetime,
        stored: bool,
        time_uncertain: bool,
    ) -> Reading:
        """The reading. Raises Malformed where the temperature is absurd."""
        if isinstance(self.temperature, Decimal) and not LOWEST < self.temperature < HIGHEST:
            raise Malformed("absurd_temperature")
        return Reading(
            data_type=Vital.TEMPERATURE,
            device=device,
            values=(numbered(Parameter.TEMPERATURE, self.temperature, unit=self.unit),),
            measured=measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            device_time=self.timestamp.moment if self.timestamp else None,
            time_uncertain=time_uncertain,
            stored=stored,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureTypeValue:
    """0x2A1D: where the thermometer measures, where its measurements don't say; the code as sent."""

    site: int = named("temperature_type")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode one byte. Raises Truncated."""
        return cls(site=ByteReader(data).u8())

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what is no byte."""
        return bytes((self.site,))


_INTERVAL: Final = struct.Struct("<H")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementInterval:
    """0x2A21: so many seconds lie between measurements; 0: it measures when it is told to."""

    interval_seconds: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode two bytes. Raises Truncated."""
        return cls(interval_seconds=ByteReader(data).u16())

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what does not fit two bytes."""
        return pack(_INTERVAL, self.interval_seconds)


class Session(session.Session):
    """One connection with a thermometer. `site` is where it measures, by 0x2A1D: read where a measurement does not say so; None before, or where
    neither does."""

    def __init__(self, context: SessionContext, profile: session.Profile) -> None:
        super().__init__(context, profile)
        self.site: int | None = None
        self._asked = False

    def measured(self, event: ValueReceived, measurement: Any) -> Iterator[Command]:  # noqa: ANN401 - what `decode` gave
        yield Deliver(readings=(self.reading(event, measurement),))
        if measurement.site is None and not self._asked and uuids.TEMPERATURE_TYPE in self.characteristics:
            self._asked = True
            yield ReadValue(characteristic=uuids.TEMPERATURE_TYPE)

    def value(self, event: ValueReceived) -> Iterator[Command]:
        if event.characteristic == uuids.TEMPERATURE_TYPE:
            self.site = TemperatureTypeValue.from_bytes(event.data).site
        yield from ()


def site_in_words(site: int) -> str:
    """Where it was measured."""
    known = {kind.value: kind.name.lower().replace("_", " ") for kind in TemperatureType}
    return known.get(site, f"reserved ({site})")


def _describe(data: bytes) -> Parts:
    value, parts = TemperatureMeasurement.from_bytes(data), Parts(data)
    unit = "°F" if value.unit is Unit.FAHRENHEIT else "°C"
    parts.add(1, "flags", f"{bits_in_words(data[0], Flag)}; unit {unit}", "unit", "reserved_flags")
    parts.add(4, "temperature", number_in_words(value.temperature, unit=unit))
    if value.timestamp is not None:
        parts.add(DateTime.SIZE, "timestamp", value.timestamp)
    if value.site is not None:
        parts.add(1, "temperature_type", site_in_words(value.site))
    parts.rest()
    return parts


def _describe_type(data: bytes) -> Parts:
    parts = Parts(data)
    parts.add(1, "temperature_type", site_in_words(TemperatureTypeValue.from_bytes(data).site))
    parts.rest()
    return parts


def _describe_interval(data: bytes) -> Parts:
    seconds, parts = MeasurementInterval.from_bytes(data).interval_seconds, Parts(data)
    parts.add(2, "interval_seconds", f"every {seconds} s" if seconds else "not periodic")
    parts.rest()
    return parts


PROFILE: Final = session.Profile(measurement=uuids.TEMPERATURE_MEASUREMENT, decode=TemperatureMeasurement.from_bytes)
_SUPPLEMENT: Final = "Bluetooth GATT Specification Supplement"
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A1C",
        title="Temperature Measurement",
        source=f"{_SUPPLEMENT}, Temperature Measurement; Health Thermometer Service 1.0, 3.1",
        message=TemperatureMeasurement,
        decode=TemperatureMeasurement.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
    Format(
        key="2A1E",
        title="Intermediate Temperature",
        source=f"{_SUPPLEMENT}, Intermediate Temperature; Health Thermometer Service 1.0, 3.3",
        message=TemperatureMeasurement,
        decode=TemperatureMeasurement.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
    Format(
        key="2A1D",
        title="Temperature Type",
        source=f"{_SUPPLEMENT}, Temperature Type; Health Thermometer Service 1.0, 3.2",
        message=TemperatureTypeValue,
        decode=TemperatureTypeValue.from_bytes,
        encode=bytes,
        describe=_describe_type,
    ),
    Format(
        key="2A21",
        title="Measurement Interval",
        source=f"{_SUPPLEMENT}, Measurement Interval; Health Thermometer Service 1.0, 3.4",
        message=MeasurementInterval,
        decode=MeasurementInterval.from_bytes,
        encode=bytes,
        describe=_describe_interval,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="sig-health-thermometer",
        title="Thermometer (Bluetooth SIG profile)",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        formats=("2A1C", "2A1E", "2A1D", "2A21"),
        measures=(Parameter.TEMPERATURE,),
        marks=(Marks(services=frozenset({uuids.HEALTH_THERMOMETER_SERVICE})),),
        session=partial(Session, profile=PROFILE),
        verified=(Verified.STANDARD, Verified.CAPTURE),
        sleeps=True,
        stale_after_seconds=300,
        options=session.OPTIONS,
        missing="where on the body it was measured is decoded and not recorded; intermediate temperatures are not listened to",
    ),
)
