"""Blood Pressure Service (BLS 1.0): measurement 0x2A35, intermediate cuff pressure 0x2A36, feature 0x2A49.

Layout by GATT Specification Supplement 3.31 and 3.30: flags, three SFLOATs, then what the flags promise. Real cuffs set reserved
bits, send NaN or 0 for a mean that they do not measure, and NaN everywhere for a measurement that failed.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntFlag
from typing import Final, Self

from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.errors import Malformed
from device_drivers.ieee11073 import SFLOAT, Number
from device_drivers.values import numbered
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, missing_value
from vitals.units import Unit

UNKNOWN_USER: Final = 0xFF
ABSURD_PRESSURE: Final = Decimal(1000)
"""mmHg. Beyond it the bytes are no blood pressure at all: some cuffs send another layout under the standard's UUID."""


class Status(IntFlag):
    """Measurement Status, bits 0 to 5; the others are reserved."""

    BODY_MOVEMENT = 1 << 0
    CUFF_TOO_LOOSE = 1 << 1
    IRREGULAR_PULSE = 1 << 2
    PULSE_ABOVE_RANGE = 1 << 3
    PULSE_BELOW_RANGE = 1 << 4
    IMPROPER_POSITION = 1 << 5


_REASONS: Final = {
    Status.BODY_MOVEMENT: Reason.MOTION,
    Status.CUFF_TOO_LOOSE: Reason.CUFF_LOOSE,
    Status.IRREGULAR_PULSE: Reason.IRREGULAR_PULSE,
    Status.PULSE_ABOVE_RANGE: Reason.PULSE_OUT_OF_RANGE,
    Status.PULSE_BELOW_RANGE: Reason.PULSE_OUT_OF_RANGE,
    Status.IMPROPER_POSITION: Reason.IMPROPER_POSITION,
}


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

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode 2 bytes. Raises Truncated."""
        return cls(ByteReader(data).u16())


class Flag(IntFlag):
    """The first byte of 0x2A35 and 0x2A36; bits 5 to 7 are reserved, and real cuffs set them."""

    KILOPASCAL = 1 << 0
    TIMESTAMP = 1 << 1
    PULSE_RATE = 1 << 2
    USER_ID = 1 << 3
    STATUS = 1 << 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodPressureMeasurement:
    """One indication of 0x2A35, in the cuff's own words; a field that it did not send is None.

    In 0x2A36 the first of the three pressures is the cuff's at this moment and the other two mean nothing.
    """

    systolic: Number
    diastolic: Number
    mean: Number
    unit: Unit = Unit.MMHG
    timestamp: DateTime | None = None
    pulse_rate: Number | None = None
    user_id: int | None = None
    status: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 7 to 19 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = Flag(fields.u8() & 0b11111)
        return cls(
            unit=Unit.KILOPASCAL if Flag.KILOPASCAL in flags else Unit.MMHG,
            systolic=fields.sfloat(),
            diastolic=fields.sfloat(),
            mean=fields.sfloat(),
            timestamp=fields.date_time() if Flag.TIMESTAMP in flags else None,
            pulse_rate=fields.sfloat() if Flag.PULSE_RATE in flags else None,
            user_id=fields.u8() if Flag.USER_ID in flags else None,
            status=fields.u16() if Flag.STATUS in flags else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that no SFLOAT is."""
        flags = Flag.KILOPASCAL if self.unit is Unit.KILOPASCAL else Flag(0)
        parts = [SFLOAT.encode(number) for number in (self.systolic, self.diastolic, self.mean)]
        if self.timestamp is not None:
            flags |= Flag.TIMESTAMP
            parts.append(bytes(self.timestamp))
        if self.pulse_rate is not None:
            flags |= Flag.PULSE_RATE
            parts.append(SFLOAT.encode(self.pulse_rate))
        if self.user_id is not None:
            flags |= Flag.USER_ID
            parts.append(bytes((self.user_id,)))
        if self.status is not None:
            flags |= Flag.STATUS
            parts.append(self.status.to_bytes(2, "little"))
        return bytes((flags,)) + b"".join(parts)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What the status bits say, each once."""
        said = [reason for bit, reason in _REASONS.items() if (self.status or 0) & bit]
        return tuple(dict.fromkeys(said))

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
        """The reading. Raises Malformed where the pressures are absurd."""
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
        self._check()
        pressures = (
            (Parameter.SYSTOLIC, self.systolic),
            (Parameter.DIASTOLIC, self.diastolic),
        )
        values = [
            numbered(parameter, number, *self.reasons, unit=self.unit, zero_is_missing=True)
            for parameter, number in pressures
        ]
        if isinstance(self.mean, Decimal) and self.mean != 0:
            values.append(numbered(Parameter.MEAN, self.mean, *self.reasons, unit=self.unit))
        else:
            values.append(missing_value(Parameter.MEAN, Reason.NOT_MEASURED))
        if self.pulse_rate is not None:
            values.append(numbered(Parameter.CUFF_PULSE_RATE, self.pulse_rate, *self.reasons, zero_is_missing=True))
        return tuple(values)

    def _check(self) -> None:
        limit = ABSURD_PRESSURE if self.unit is Unit.MMHG else ABSURD_PRESSURE / 7
        for number in (self.systolic, self.diastolic, self.mean):
            if isinstance(number, Decimal) and not 0 <= number < limit:
                raise Malformed("absurd_pressure")
