"""Health Thermometer Service (HTS 1.0): temperature 0x2A1C, intermediate temperature 0x2A1E, type 0x2A1D, interval 0x2A21.

Layout by GATT Specification Supplement 3.216. The unit on the wire may differ from the display's.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, IntFlag, unique
from typing import Self

from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.errors import Malformed
from device_drivers.ieee11073 import FLOAT, Number
from device_drivers.values import numbered
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading
from vitals.units import Unit


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureMeasurement:
    """One indication of 0x2A1C, or notification of 0x2A1E, in the thermometer's own words. `site` is the code as sent."""

    temperature: Number
    unit: Unit = Unit.CELSIUS
    timestamp: DateTime | None = None
    site: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 5 to 13 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = Flag(fields.u8() & 0b111)
        return cls(
            unit=Unit.FAHRENHEIT if Flag.FAHRENHEIT in flags else Unit.CELSIUS,
            temperature=fields.float32_11073(),
            timestamp=fields.date_time() if Flag.TIMESTAMP in flags else None,
            site=fields.u8() if Flag.TYPE in flags else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that no FLOAT is."""
        flags = Flag.FAHRENHEIT if self.unit is Unit.FAHRENHEIT else Flag(0)
        parts = [FLOAT.encode(self.temperature)]
        if self.timestamp is not None:
            flags |= Flag.TIMESTAMP
            parts.append(bytes(self.timestamp))
        if self.site is not None:
            flags |= Flag.TYPE
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
        if isinstance(self.temperature, Decimal) and not Decimal(-300) < self.temperature < Decimal(1000):
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


def interval_seconds(data: bytes) -> int:
    """Measurement Interval 0x2A21, 2 bytes; 0: not periodic. Raises Truncated."""
    return ByteReader(data).u16()
