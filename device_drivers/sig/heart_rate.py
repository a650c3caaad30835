"""Heart Rate Service (HRS 1.0): measurement 0x2A37, body sensor location 0x2A38.

Layout by GATT Specification Supplement, Heart Rate Measurement; Heart Rate Service 1.0, 3.1 and 3.2. The rate takes one byte or two, as bit 0 of the flags
says. Intervals between beats come in 1/1024 s, the oldest first, to the end of the value.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, IntFlag, unique
from functools import partial
from typing import Any, Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.binary import ByteReader
from device_drivers.cadence import Cadence
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.packing import pack
from device_drivers.sessions import Command, Deliver, SessionContext, ValueReceived
from device_drivers.sig import session
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, measured_value, missing_value

_U16: Final = struct.Struct("<H")
_MILLISECONDS: Final = Decimal("0.001")
_BYTE: Final = 0xFF


class Flag(IntFlag):
    """The first byte; bits 5 to 7 are reserved. `CONTACT` says something only with `CONTACT_SUPPORTED`."""

    RATE_OF_TWO_BYTES = 1 << 0
    CONTACT = 1 << 1
    CONTACT_SUPPORTED = 1 << 2
    ENERGY_EXPENDED = 1 << 3
    RR_INTERVALS = 1 << 4


_TWO_BYTES, _CONTACT, _SUPPORTED, _ENERGY, _INTERVALS = (flag.value for flag in Flag)  # plain: decoding is a hot path


@unique
class Location(IntEnum):
    """Body Sensor Location 0x2A38; others are reserved."""

    OTHER = 0
    CHEST = 1
    WRIST = 2
    FINGER = 3
    HAND = 4
    EAR_LOBE = 5
    FOOT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartRateMeasurement:
    """One notification of 0x2A37. `contact` is None where the sensor can't tell; `rr_intervals` are in 1/1024 s."""

    heart_rate: int
    contact: bool | None
    energy_expended_kj: int | None = None
    rr_intervals: tuple[int, ...] | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode two bytes or more; half an interval at the end is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        return cls(
            heart_rate=fields.u16() if flags & _TWO_BYTES else fields.u8(),
            contact=bool(flags & _CONTACT) if flags & _SUPPORTED else None,
            energy_expended_kj=fields.u16() if flags & _ENERGY else None,
            rr_intervals=tuple(fields.u16() for _ in range(fields.rest // 2)) if flags & _INTERVALS else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what its bytes can't hold."""
        flags = 0 if self.contact is None else _SUPPORTED | self.contact * _CONTACT
        parts = [bytes((self.heart_rate,)) if 0 <= self.heart_rate <= _BYTE else pack(_U16, self.heart_rate)]
        flags |= _TWO_BYTES if len(parts[0]) == _U16.size else 0
        if self.energy_expended_kj is not None:
            flags |= _ENERGY
            parts.append(pack(_U16, self.energy_expended_kj))
        if self.rr_intervals is not None:
            flags |= _INTERVALS
            parts += [pack(_U16, interval) for interval in self.rr_intervals]
        return bytes((flags,)) + b"".join(parts)

    @property
    def timestamp(self) -> None:
        """It has none: a heart rate is of now."""
        return None

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
        """The reading. Without contact the rate is no patient's."""
        return Reading(
            data_type=Vital.HEART_RATE,
            device=device,
            values=(self._value(),),
            measured=measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            time_uncertain=time_uncertain,
            stored=stored,
        )

    def _value(self) -> Value:
        if self.contact is False:
            return missing_value(Parameter.HEART_RATE, Reason.SENSOR_DISCONNECTED)
        if not self.heart_rate:
            return missing_value(Parameter.HEART_RATE, Reason.NO_PULSE_FOUND)
        return measured_value(Parameter.HEART_RATE, self.heart_rate)


def _fields(message: HeartRateMeasurement) -> dict[str, Json]:
    """Intervals in milliseconds, to a thousandth, as `rr_ms`."""
    fields = fields_of(message)
    if message.rr_intervals is not None:
        del fields["rr_intervals"]
        fields["rr_ms"] = [float(_milliseconds(interval)) for interval in message.rr_intervals]
    return fields


def _from_fields(fields: Mapping[str, Json]) -> HeartRateMeasurement:
    """Raises ValueError, which names the field."""
    other = {name: value for name, value in fields.items() if name != "rr_ms"}
    if "rr_ms" in fields:
        other["rr_intervals"] = _intervals(fields["rr_ms"])
    return message_from(HeartRateMeasurement, other)


def _milliseconds(interval: int) -> Decimal:
    return (Decimal(interval * 1000) / 1024).quantize(_MILLISECONDS)


def _intervals(milliseconds: Json) -> Json:
    if not isinstance(milliseconds, list):
        raise ValueError("rr_ms: a list is needed")  # noqa: TRY004 - one error for whatever a field is not
    numbers = [one for one in milliseconds if isinstance(one, int | float | Decimal) and not isinstance(one, bool)]
    if len(numbers) < len(milliseconds):
        raise ValueError("rr_ms: numbers are needed")
    return [round(Decimal(str(one)) * 1024 / 1000) for one in numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySensorLocation:
    """0x2A38: where the sensor is worn; the code as sent."""

    location: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode one byte. Raises Truncated."""
        return cls(location=ByteReader(data).u8())

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what is no byte."""
        return bytes((self.location,))


class Session(session.Session):
    """One connection: a reading a second, and at once when contact is lost or found."""

    def __init__(self, context: SessionContext, profile: session.Profile) -> None:
        super().__init__(context, profile)
        self._cadence = Cadence()

    def measured(self, event: ValueReceived, measurement: Any) -> Iterator[Command]:  # noqa: ANN401 - as decoded
        if self._cadence.decides(event.at, measurement.contact):
            yield Deliver(readings=(self.reading(event, measurement),))


_CONTACT_WORDS: Final = {None: "not told", True: "yes", False: "no"}


def _describe(data: bytes) -> Parts:
    value, parts = HeartRateMeasurement.from_bytes(data), Parts(data)
    flags = bits_in_words(data[0], Flag)
    empty = ("rr_ms",) if value.rr_intervals == () else ()
    parts.add(1, "flags", f"{flags}; contact: {_CONTACT_WORDS[value.contact]}", "contact", *empty)
    parts.add(2 if data[0] & _TWO_BYTES else 1, "heart_rate", f"{value.heart_rate} /min")
    if value.energy_expended_kj is not None:
        parts.add(2, "energy_expended_kj", f"{value.energy_expended_kj} kJ")
    if value.rr_intervals is not None:
        words = ", ".join(str(_milliseconds(interval)) for interval in value.rr_intervals)
        parts.add(2 * len(value.rr_intervals), "rr_ms", f"{words} ms")
    parts.rest()
    return parts


def _describe_location(data: bytes) -> Parts:
    value, parts = BodySensorLocation.from_bytes(data), Parts(data)
    known = {location.value: location.name.lower().replace("_", " ") for location in Location}
    parts.add(1, "location", known.get(value.location, "reserved"))
    parts.rest()
    return parts


PROFILE: Final = session.Profile(
    measurement=uuids.HEART_RATE_MEASUREMENT, decode=HeartRateMeasurement.from_bytes, has_clock=False
)
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A37",
        title="Heart Rate Measurement",
        source="Bluetooth GATT Specification Supplement, Heart Rate Measurement; Heart Rate Service 1.0, 3.1",
        message=HeartRateMeasurement,
        decode=HeartRateMeasurement.from_bytes,
        encode=bytes,
        describe=_describe,
        fields=_fields,
        from_fields=_from_fields,
    ),
    Format(
        key="2A38",
        title="Body Sensor Location",
        source="Bluetooth GATT Specification Supplement, Body Sensor Location; Heart Rate Service 1.0, 3.2",
        message=BodySensorLocation,
        decode=BodySensorLocation.from_bytes,
        encode=bytes,
        describe=_describe_location,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="sig-heart-rate",
        title="Heart rate monitor (Bluetooth SIG profile)",
        device_type=DeviceType.HEART_RATE_MONITOR,
        transport=Transport.BLE,
        formats=("2A37", "2A38"),
        measures=(Parameter.HEART_RATE,),
        marks=(Marks(services=frozenset({uuids.HEART_RATE_SERVICE})),),
        session=partial(Session, profile=PROFILE),
        verified=(Verified.STANDARD,),
        stale_after_seconds=15,
        options=(session.BOND,),
        missing="intervals between beats and expended energy are decoded and not recorded",
    ),
)
