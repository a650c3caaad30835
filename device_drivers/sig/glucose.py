"""Glucose Service (GLS 1.0): measurement 0x2A18, fetched through the Record Access Control Point 0x2A52.

Layout by GATT Specification Supplement, Glucose Measurement. A meter keeps records and sends none unasked. Among them are checks with a control
solution, a liquid of known strength: they say something of the meter and nothing of a patient.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum, IntFlag, StrEnum, unique
from functools import partial
from struct import Struct
from typing import Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.ieee11073 import SFLOAT, Number
from device_drivers.packing import pack
from device_drivers.sessions import (
    Command,
    CommandRefused,
    Deliver,
    LinkEstablished,
    ReportStatus,
    SessionContext,
    SubscribeTo,
    ValueReceived,
)
from device_drivers.sig import session
from device_drivers.sig.floats import number_in_words
from device_drivers.sig.record_access import StoredRecords
from device_drivers.values import numbered
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, missing_value
from vitals.units import Unit

LOW_BATTERY: Final = "low_battery"
_WORD: Final = Struct("<H")
_OFFSET: Final = Struct("<h")
_UNKNOWN_TIME: Final = DateTime(year=0, month=0, day=0, hour=0, minute=0, second=0)
_BEYOND: Final = (-0x8000, 0x7FFF)
"""Minutes at the ends of an offset's range: the true ones may not have fitted."""


@unique
class Concentration(StrEnum):
    """What a concentration is given in."""

    KILOGRAM_PER_LITRE = "kg/L"
    MOLE_PER_LITRE = "mol/L"


_SENT: Final = {
    Concentration.KILOGRAM_PER_LITRE: (5, None),
    Concentration.MOLE_PER_LITRE: (3, Unit.MILLIMOLE_PER_LITRE),
}
"""Powers of ten to mg/dL and to mmol/L."""


@unique
class SampleType(IntEnum):
    """What was measured; 0 and what is not here are reserved."""

    CAPILLARY_WHOLE_BLOOD = 1
    CAPILLARY_PLASMA = 2
    VENOUS_WHOLE_BLOOD = 3
    VENOUS_PLASMA = 4
    ARTERIAL_WHOLE_BLOOD = 5
    ARTERIAL_PLASMA = 6
    UNDETERMINED_WHOLE_BLOOD = 7
    UNDETERMINED_PLASMA = 8
    INTERSTITIAL_FLUID = 9
    CONTROL_SOLUTION = 10


@unique
class SampleLocation(IntEnum):
    """Where it was taken; 0 and what is not here are reserved."""

    FINGER = 1
    ALTERNATE_SITE = 2
    EARLOBE = 3
    CONTROL_SOLUTION = 4
    NOT_AVAILABLE = 15


class Flag(IntFlag):
    """The first byte; bits 5 to 7 are reserved."""

    TIME_OFFSET = 1 << 0
    CONCENTRATION = 1 << 1
    MOLE_PER_LITRE = 1 << 2
    SENSOR_STATUS = 1 << 3
    CONTEXT_FOLLOWS = 1 << 4


class SensorStatus(IntFlag):
    """Sensor Status Annunciation, as things were at the measurement. Some libraries exchange bits 5 and 6."""

    BATTERY_LOW = 1 << 0
    SENSOR_MALFUNCTION = 1 << 1
    SAMPLE_TOO_SMALL = 1 << 2
    STRIP_INSERTION_ERROR = 1 << 3
    STRIP_OF_WRONG_TYPE = 1 << 4
    RESULT_TOO_HIGH = 1 << 5
    RESULT_TOO_LOW = 1 << 6
    SENSOR_TOO_HOT = 1 << 7
    SENSOR_TOO_COLD = 1 << 8
    STRIP_PULLED_TOO_SOON = 1 << 9
    DEVICE_FAULT = 1 << 10
    TIME_FAULT = 1 << 11


_TIME_OFFSET, _CONCENTRATION, _MOLE, _STATUS, _CONTEXT = (flag.value for flag in Flag)  # plain: decoding is a hot path
_ENDINGS: Final = {
    SensorStatus.SENSOR_MALFUNCTION: Reason.SENSOR_FAULT,
    SensorStatus.DEVICE_FAULT: Reason.SENSOR_FAULT,
    SensorStatus.RESULT_TOO_HIGH: Reason.OUT_OF_RANGE,
    SensorStatus.RESULT_TOO_LOW: Reason.OUT_OF_RANGE,
    SensorStatus.SAMPLE_TOO_SMALL: Reason.MEASUREMENT_FAILED,
    SensorStatus.STRIP_INSERTION_ERROR: Reason.MEASUREMENT_FAILED,
    SensorStatus.STRIP_OF_WRONG_TYPE: Reason.MEASUREMENT_FAILED,
    SensorStatus.SENSOR_TOO_HOT: Reason.MEASUREMENT_FAILED,
    SensorStatus.SENSOR_TOO_COLD: Reason.MEASUREMENT_FAILED,
    SensorStatus.STRIP_PULLED_TOO_SOON: Reason.MEASUREMENT_FAILED,
}
"""With any of these a number beside it is no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlucoseMeasurement:
    """One record, in the meter's own words; what it did not send is None. `type` and `location` are codes as sent; they, `concentration` and
    `unit` come together. The time that the meter showed is `base_time` and `time_offset_min` minutes."""

    sequence: int
    base_time: DateTime
    time_offset_min: int | None = None
    concentration: Number | None = None
    unit: Concentration | None = None
    type: int | None = None
    location: int | None = None
    sensor_status: int | None = None
    context_follows: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 10 to 17 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        sequence, base_time = fields.u16(), fields.date_time()
        offset = fields.s16() if flags & _TIME_OFFSET else None
        concentration, unit, kind, location = None, None, None, None
        if flags & _CONCENTRATION:
            concentration, sample = fields.sfloat(), fields.u8()
            kind, location = sample & 0xF, sample >> 4
            unit = Concentration.MOLE_PER_LITRE if flags & _MOLE else Concentration.KILOGRAM_PER_LITRE
        return cls(
            sequence=sequence,
            base_time=base_time,
            time_offset_min=offset,
            concentration=concentration,
            unit=unit,
            type=kind,
            location=location,
            sensor_status=fields.u16() if flags & _STATUS else None,
            context_follows=bool(flags & _CONTEXT),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that its bytes don't hold, and for a concentration that has not all its parts."""
        flags = Flag.CONTEXT_FOLLOWS if self.context_follows else Flag(0)
        parts = [pack(_WORD, self.sequence), bytes(self.base_time)]
        if self.time_offset_min is not None:
            flags |= Flag.TIME_OFFSET
            parts.append(pack(_OFFSET, self.time_offset_min))
        if sample := self._sample():
            flags |= Flag.CONCENTRATION
            flags |= Flag.MOLE_PER_LITRE if self.unit is Concentration.MOLE_PER_LITRE else Flag(0)
            parts.append(sample)
        if self.sensor_status is not None:
            flags |= Flag.SENSOR_STATUS
            parts.append(pack(_WORD, self.sensor_status))
        return bytes((flags,)) + b"".join(parts)

    def _sample(self) -> bytes:
        """Concentration, type and location; nothing where there is none of them."""
        if (self.concentration, self.unit, self.type, self.location) == (None,) * 4:
            return b""
        if self.concentration is None or self.unit is None or self.type is None or self.location is None:
            raise ValueError("a concentration, its unit, a type and a location are sent together")
        if not (0 <= self.type <= 0xF and 0 <= self.location <= 0xF):
            raise ValueError("a type and a location are from 0 to 15")
        return SFLOAT.encode(self.concentration) + bytes((self.location << 4 | self.type,))

    @property
    def timestamp(self) -> DateTime:
        """The time that the meter showed. Its year is 0 where that can't be told."""
        moment, minutes = self.base_time.moment, self.time_offset_min or 0
        if moment is None or minutes in _BEYOND:
            return _UNKNOWN_TIME
        try:
            return DateTime.of(moment + timedelta(minutes=minutes))
        except OverflowError:
            return _UNKNOWN_TIME

    @property
    def is_control(self) -> bool:
        """Whether this is a check of the meter."""
        return self.type == SampleType.CONTROL_SOLUTION or self.location == SampleLocation.CONTROL_SOLUTION

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
        """The reading. A record whose time is uncertain counts as stored: it may have lain in the meter for long."""
        uncertain = time_uncertain or bool((self.sensor_status or 0) & SensorStatus.TIME_FAULT)
        return Reading(
            data_type=Vital.GLUCOSE,
            device=device,
            values=(self._value(),),
            measured=measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            device_time=self.timestamp.moment,
            time_uncertain=uncertain,
            stored=stored or uncertain,
            record=self.sequence,
        )

    def _value(self) -> Value:
        if self.is_control:
            return missing_value(Parameter.GLUCOSE, Reason.CONTROL_SOLUTION)
        if endings := [reason for bit, reason in _ENDINGS.items() if (self.sensor_status or 0) & bit]:
            return missing_value(Parameter.GLUCOSE, *dict.fromkeys(endings))
        if self.concentration is None or self.unit is None:
            return missing_value(Parameter.GLUCOSE, Reason.NOT_MEASURED)
        power, unit = _SENT[self.unit]
        number = self.concentration.scaleb(power) if isinstance(self.concentration, Decimal) else self.concentration
        return numbered(Parameter.GLUCOSE, number, unit=unit, zero_is_missing=True)


class Session(session.Session):
    """Asks for all records once the clock was read and set, and takes them until the meter leaves. The newest says how the battery is."""

    def __init__(self, context: SessionContext, profile: session.Profile) -> None:
        super().__init__(context, profile)
        self._records = StoredRecords()

    def begin(self, event: LinkEstablished) -> Iterator[Command]:
        if uuids.RECORD_ACCESS_CONTROL_POINT in event.characteristics:
            yield SubscribeTo(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT)

    def clock_settled(self, at: datetime) -> Iterator[Command]:
        if uuids.RECORD_ACCESS_CONTROL_POINT in self.characteristics:
            yield self._records.ask(at)

    def measured(self, event: ValueReceived, measurement: GlucoseMeasurement) -> Iterator[Command]:
        self._records.came(event.at)
        if measurement.sensor_status is not None:
            self.faults = (LOW_BATTERY,) if measurement.sensor_status & SensorStatus.BATTERY_LOW else ()
        yield Deliver(readings=(self.reading(event, measurement),))

    def value(self, event: ValueReceived) -> Iterator[Command]:
        if event.characteristic == uuids.RECORD_ACCESS_CONTROL_POINT:
            yield from self._records.answered(event.at, event.data)
            yield ReportStatus(at=event.at, faults=self.faults)

    def refused(self, event: CommandRefused) -> Iterator[Command]:
        return self._records.refused(event.at, event.command)

    def tick(self, at: datetime) -> Iterator[Command]:
        return self._records.tick(at)


def _describe(data: bytes) -> Parts:
    value, parts = GlucoseMeasurement.from_bytes(data), Parts(data)
    parts.add(1, "flags", bits_in_words(data[0], Flag), "unit", "context_follows")
    parts.add(2, "sequence", f"record {value.sequence}")
    parts.add(DateTime.SIZE, "base_time", value.base_time)
    if value.time_offset_min is not None:
        parts.add(2, "time_offset_min", f"{value.time_offset_min:+d} min, so the meter showed {value.timestamp}")
    if value.concentration is not None:
        parts.add(2, "concentration", number_in_words(value.concentration, unit=str(value.unit)))
        sample = f"{_in_words(SampleType, value.type)}, from {_in_words(SampleLocation, value.location)}"
        parts.add(1, "sample", sample, "type", "location")
    if value.sensor_status is not None:
        parts.add(2, "sensor_status", bits_in_words(value.sensor_status, SensorStatus, none="nothing to remark"))
    parts.rest()
    return parts


def _in_words(kind: type[IntEnum], code: int | None) -> str:
    known = {member.value: member.name.lower().replace("_", " ") for member in kind}
    return known.get(code or 0, f"reserved ({code})")


PROFILE: Final = session.Profile(
    measurement=uuids.GLUCOSE_MEASUREMENT,
    decode=GlucoseMeasurement.from_bytes,
    bond=True,
)
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A18",
        title="Glucose Measurement",
        source="Bluetooth GATT Specification Supplement, Glucose Measurement; Glucose Service 1.0, 3.1",
        message=GlucoseMeasurement,
        decode=GlucoseMeasurement.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="sig-glucose",
        title="Glucose meter (Bluetooth SIG profile)",
        device_type=DeviceType.GLUCOSE_METER,
        transport=Transport.BLE,
        formats=("2A18", "2A52"),
        measures=(Parameter.GLUCOSE,),
        marks=(Marks(services=frozenset({uuids.GLUCOSE_SERVICE})),),
        session=partial(Session, profile=PROFILE),
        verified=(Verified.STANDARD,),
        sleeps=True,
        stale_after_seconds=300,
        options=session.BONDED_OPTIONS,
        missing="a record's context (0x2A34: meal, exercise, medication); a glucose is recorded under one code, whatever was sampled",
    ),
)
