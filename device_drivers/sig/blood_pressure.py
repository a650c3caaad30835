"""Blood Pressure Service (BLS 1.0): measurement 0x2A35, intermediate cuff pressure 0x2A36, feature 0x2A49.

Layout by GATT Specification Supplement 3.31 and 3.30: flags, three SFLOATs, then what the flags promise. Real cuffs set reserved
bits, send NaN or 0 for a mean that they do not measure, and NaN everywhere for a measurement that failed.
"""

import struct
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntFlag
from functools import partial
from typing import Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed
from device_drivers.fields import named
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.ieee11073 import SFLOAT, Number, Special
from device_drivers.packing import pack
from device_drivers.sig import session
from device_drivers.sig.floats import number_in_words
from device_drivers.values import numbered
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, missing_value
from vitals.units import Unit

UNKNOWN_USER: Final = 0xFF
_STATUS_WORD: Final = struct.Struct("<H")
ABSURD_PRESSURE: Final = Decimal(1000)
"""mmHg. Beyond it the bytes are no blood pressure at all: some cuffs send another layout under the standard's UUID."""
SLOWEST_PULSE: Final = Decimal(1)
ABSURD_PULSE: Final = Decimal(1000)
"""Beats a minute. From here on, and below the slowest, it is no pulse: a BM85's, whose bytes are exchanged, reads as -1024000 or as 0.0001536."""


class Status(IntFlag):
    """Measurement Status, bits 0 to 5; the others are reserved."""

    BODY_MOVEMENT = 1 << 0
    CUFF_TOO_LOOSE = 1 << 1
    IRREGULAR_PULSE = 1 << 2
    PULSE_ABOVE_RANGE = 1 << 3
    PULSE_BELOW_RANGE = 1 << 4
    IMPROPER_POSITION = 1 << 5


_REASONS: Final = (
    (Status.BODY_MOVEMENT.value, Reason.MOTION),
    (Status.CUFF_TOO_LOOSE.value, Reason.CUFF_LOOSE),
    (Status.IRREGULAR_PULSE.value, Reason.IRREGULAR_PULSE),
    (Status.PULSE_ABOVE_RANGE.value, Reason.PULSE_OUT_OF_RANGE),
    (Status.PULSE_BELOW_RANGE.value, Reason.PULSE_OUT_OF_RANGE),
    (Status.IMPROPER_POSITION.value, Reason.IMPROPER_POSITION),
)


class Feature(IntFlag):
    """Blood Pressure Feature 0x2A49."""

    BODY_MOVEMENT_DETECTION = 1 << 0
    CUFF_FIT_DETECTION = 1 << 1
    IRREGULAR_PULSE_DETECTION = 1 << 2
    PULSE_RATE_RANGE_DETECTION = 1 << 3
    POSITION_DETECTION = 1 << 4
    MULTIPLE_BONDS = 1 << 5
    E2E_CRC = 1 << 6
    USER_DATA_SERVICE = 1 << 7
    USER_FACING_TIME = 1 << 8


class Flag(IntFlag):
    """The first byte of 0x2A35 and 0x2A36; bits 5 to 7 are reserved, and real cuffs set them."""

    KILOPASCAL = 1 << 0
    TIMESTAMP = 1 << 1
    PULSE_RATE = 1 << 2
    USER_ID = 1 << 3
    STATUS = 1 << 4


_KILOPASCAL, _TIMESTAMP, _PULSE_RATE, _USER_ID, _STATUS = (flag.value for flag in Flag)  # plain: decoding is a hot path


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodPressureMeasurement:
    """One indication of 0x2A35, in the cuff's own words; a field that it did not send is None."""

    systolic: Number
    diastolic: Number
    mean: Number = named("map")
    unit: Unit = Unit.MMHG
    timestamp: DateTime | None = None
    pulse_rate: Number | None = None
    user_id: int | None = None
    status: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 7 to 19 bytes; what follows is ignored. Raises Truncated, and Malformed as `check`."""
        measurement = cls.unchecked(data)
        measurement.check()
        return measurement

    @classmethod
    def unchecked(cls, data: bytes) -> Self:
        """As `from_bytes`, whatever the numbers are. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        return cls(
            unit=Unit.KILOPASCAL if flags & _KILOPASCAL else Unit.MMHG,
            systolic=fields.sfloat(),
            diastolic=fields.sfloat(),
            mean=fields.sfloat(),
            timestamp=fields.date_time() if flags & _TIMESTAMP else None,
            pulse_rate=fields.sfloat() if flags & _PULSE_RATE else None,
            user_id=fields.u8() if flags & _USER_ID else None,
            status=fields.u16() if flags & _STATUS else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that no SFLOAT is."""
        flags = Flag.KILOPASCAL if self.unit is Unit.KILOPASCAL else Flag(0)
        parts = [SFLOAT.encode(number) for number in (self.systolic, self.diastolic, self.mean)]
        carried = (
            (Flag.TIMESTAMP, self.timestamp, bytes),
            (Flag.PULSE_RATE, self.pulse_rate, SFLOAT.encode),
            (Flag.USER_ID, self.user_id, lambda user: bytes((user,))),
            (Flag.STATUS, self.status, lambda status: pack(_STATUS_WORD, status)),
        )
        for flag, value, encode in carried:
            if value is not None:
                flags |= flag
                parts.append(encode(value))  # type: ignore[arg-type]
        return bytes((flags,)) + b"".join(parts)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What the status bits say, each once."""
        if not self.status:
            return ()
        return tuple(dict.fromkeys(reason for bit, reason in _REASONS if self.status & bit))

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
        """The reading. Raises Malformed as `check`."""
        return Reading(
            data_type=Vital.BLOOD_PRESSURE,
            device=device,
            values=self._values(),
            measured=measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            device_time=self.timestamp.moment if self.timestamp else None,
            time_uncertain=time_uncertain,
            stored=stored,
            user=None if self.user_id == UNKNOWN_USER else self.user_id,
        )

    def _values(self) -> tuple[Value, ...]:
        self.check()
        reasons, unit = self.reasons, self.unit
        values = [
            numbered(Parameter.SYSTOLIC, self.systolic, *reasons, unit=unit, zero_is_missing=True),
            numbered(Parameter.DIASTOLIC, self.diastolic, *reasons, unit=unit, zero_is_missing=True),
        ]
        if isinstance(self.mean, Decimal) and self.mean != 0:
            values.append(numbered(Parameter.MEAN, self.mean, *reasons, unit=unit))
        else:
            values.append(missing_value(Parameter.MEAN, Reason.NOT_MEASURED))
        if self.pulse_rate is not None:
            values.append(numbered(Parameter.CUFF_PULSE_RATE, self.pulse_rate, *reasons, zero_is_missing=True))
        return tuple(values)

    def check(self) -> None:
        """Raises Malformed for pressures that are below zero or absurdly high, and for a number in the pulse's place that no pulse is."""
        limit = ABSURD_PRESSURE if self.unit is Unit.MMHG else ABSURD_PRESSURE / 7
        for number in (self.systolic, self.diastolic, self.mean):
            if isinstance(number, Decimal) and not 0 <= number < limit:
                raise Malformed("absurd_pressure")
        pulse = self.pulse_rate
        if isinstance(pulse, Decimal) and pulse and not SLOWEST_PULSE <= pulse < ABSURD_PULSE:
            raise Malformed("absurd_pulse")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntermediateCuffPressure:
    """One notification of 0x2A36: the cuff's pressure at this moment. Of the same layout as 0x2A35; the next two numbers mean nothing."""

    cuff_pressure: Number
    unit: Unit = Unit.MMHG
    timestamp: DateTime | None = None
    pulse_rate: Number | None = None
    user_id: int | None = None
    status: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 7 to 19 bytes; what follows is ignored. Raises Truncated."""
        whole = BloodPressureMeasurement.unchecked(data)
        return cls(
            cuff_pressure=whole.systolic,
            unit=whole.unit,
            timestamp=whole.timestamp,
            pulse_rate=whole.pulse_rate,
            user_id=whole.user_id,
            status=whole.status,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that no SFLOAT is."""
        whole = BloodPressureMeasurement(
            systolic=self.cuff_pressure,
            diastolic=Special.NAN,
            mean=Special.NAN,
            unit=self.unit,
            timestamp=self.timestamp,
            pulse_rate=self.pulse_rate,
            user_id=self.user_id,
            status=self.status,
        )
        return bytes(whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodPressureFeature:
    """0x2A49: what the cuff can tell."""

    features: Feature

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 2 bytes. Raises Truncated."""
        return cls(features=Feature(ByteReader(data).u16()))

    def __bytes__(self) -> bytes:
        return pack(_STATUS_WORD, self.features)


def _describe(data: bytes, names: tuple[str, str, str]) -> Parts:
    value, parts = BloodPressureMeasurement.unchecked(data), Parts(data)
    unit = "kPa" if value.unit is Unit.KILOPASCAL else "mmHg"
    parts.add(1, "flags", f"{bits_in_words(data[0], Flag)}; unit {unit}", "unit")
    for name, number in zip(names, (value.systolic, value.diastolic, value.mean), strict=True):
        parts.add(2, name, number_in_words(number, unit=unit))
    if value.timestamp is not None:
        parts.add(DateTime.SIZE, "timestamp", value.timestamp)
    if value.pulse_rate is not None:
        parts.add(2, "pulse_rate", number_in_words(value.pulse_rate, unit="/min"))
    if value.user_id is not None:
        parts.add(1, "user_id", "unknown user" if value.user_id == UNKNOWN_USER else f"user {value.user_id}")
    if value.status is not None:
        parts.add(2, "status", bits_in_words(value.status, Status, none="nothing to remark"))
    parts.rest()
    return parts


def _describe_feature(data: bytes) -> Parts:
    parts = Parts(data)
    parts.add(2, "features", bits_in_words(BloodPressureFeature.from_bytes(data).features, Feature))
    parts.rest()
    return parts


PROFILE: Final = session.Profile(
    measurement=uuids.BLOOD_PRESSURE_MEASUREMENT, decode=BloodPressureMeasurement.from_bytes
)
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A35",
        title="Blood Pressure Measurement",
        source="Bluetooth GATT Specification Supplement, 3.31; Blood Pressure Service 1.1, 3.1",
        message=BloodPressureMeasurement,
        decode=BloodPressureMeasurement.from_bytes,
        encode=bytes,
        describe=partial(_describe, names=("systolic", "diastolic", "map")),
    ),
    Format(
        key="2A36",
        title="Intermediate Cuff Pressure",
        source="Bluetooth GATT Specification Supplement, 3.31; Blood Pressure Service 1.1, 3.2",
        message=IntermediateCuffPressure,
        decode=IntermediateCuffPressure.from_bytes,
        encode=bytes,
        describe=partial(_describe, names=("cuff_pressure", "unused", "unused")),
    ),
    Format(
        key="2A49",
        title="Blood Pressure Feature",
        source="Bluetooth GATT Specification Supplement, 3.30",
        message=BloodPressureFeature,
        decode=BloodPressureFeature.from_bytes,
        encode=bytes,
        describe=_describe_feature,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="sig-blood-pressure",
        title="Blood pressure cuff (Bluetooth SIG profile)",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        formats=("2A35", "2A36", "2A49"),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        marks=(Marks(services=frozenset({uuids.BLOOD_PRESSURE_SERVICE})),),
        session=partial(session.Session, profile=PROFILE),
        verified=(Verified.STANDARD, Verified.CAPTURE),
        sleeps=True,
        stale_after_seconds=300,
        options=session.OPTIONS,
        missing="the enhanced measurements of Blood Pressure Service 1.1 (0x2B34 to 0x2B36)",
    ),
)
