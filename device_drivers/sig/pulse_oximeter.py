"""Pulse Oximeter Service (PLXS 1.0.1): spot-check measurement 0x2A5E, continuous measurement 0x2A5F, features 0x2A60.

Layout by Pulse Oximeter Service 1.0.1, 3.1 to 3.3: flags, SFLOATs, then what the flags promise. A number that the oximeter does not have is NaN. Records are asked
for through 0x2A52 (`record_access`); the conversation is in `pulse_oximeter_session`.
"""

import struct
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag
from typing import Final, Self

from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.ieee11073 import SFLOAT, Number, Special
from device_drivers.packing import pack
from device_drivers.sig.floats import number_in_words
from device_drivers.sig.oximeter_status import DeviceStatus, MeasurementStatus, is_stored, values_of
from vitals.identifiers import DeviceKey
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Value


class SpotCheckFlag(IntFlag):
    """The first byte of 0x2A5E; bits 5 to 7 are reserved."""

    TIMESTAMP = 1 << 0
    MEASUREMENT_STATUS = 1 << 1
    DEVICE_STATUS = 1 << 2
    PULSE_AMPLITUDE_INDEX = 1 << 3
    CLOCK_NOT_SET = 1 << 4


class ContinuousFlag(IntFlag):
    """The first byte of 0x2A5F; bits 5 to 7 are reserved."""

    FAST = 1 << 0
    SLOW = 1 << 1
    MEASUREMENT_STATUS = 1 << 2
    DEVICE_STATUS = 1 << 3
    PULSE_AMPLITUDE_INDEX = 1 << 4


class Feature(IntFlag):
    """What an oximeter can tell; the first two bits also say which words follow. Bits 8 to 15 are reserved."""

    MEASUREMENT_STATUS = 1 << 0
    DEVICE_STATUS = 1 << 1
    SPOT_CHECK_STORAGE = 1 << 2
    SPOT_CHECK_TIMESTAMP = 1 << 3
    FAST = 1 << 4
    SLOW = 1 << 5
    PULSE_AMPLITUDE_INDEX = 1 << 6
    MULTIPLE_BONDS = 1 << 7


_TIMESTAMP, _SPOT_MEASUREMENT, _SPOT_DEVICE, _SPOT_PAI, _CLOCK_NOT_SET = (flag.value for flag in SpotCheckFlag)
_FAST, _SLOW, _MEASUREMENT, _DEVICE, _PAI = (flag.value for flag in ContinuousFlag)  # plain: decoding is a hot path
_U16: Final = struct.Struct("<H")


def _u24(value: int) -> bytes:
    if not 0 <= value < 1 << 24:
        raise ValueError(f"{value} does not fit 24 bits")
    return value.to_bytes(3, "little")


class _Measurement:
    """What both kinds of measurement have."""

    __slots__ = ()
    spo2: Number
    pulse_rate: Number
    measurement_status: int | None
    device_sensor_status: int | None
    pai: Number | None

    @property
    def is_stored(self) -> bool:
        """Whether it comes from the oximeter's memory."""
        return is_stored(self.measurement_status or 0)

    @property
    def values(self) -> tuple[Value, ...]:
        """Saturation, pulse rate, and the pulse amplitude index where one was sent."""
        numbers = [(Parameter.SPO2, self.spo2), (Parameter.OXIMETER_PULSE_RATE, self.pulse_rate)]
        if self.pai is not None:
            numbers.append((Parameter.PERFUSION_INDEX, self.pai))
        return values_of(numbers, self.measurement_status or 0, self.device_sensor_status or 0)

    @property
    def device_time(self) -> DateTime | None:
        """The oximeter's time, where it has one that says something."""
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
        """The reading."""
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=self.values,
            measured=measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            device_time=self.device_time.moment if self.device_time else None,
            time_uncertain=time_uncertain,
            stored=stored,
        )

    def _status_parts(self) -> tuple[bytes, ...]:
        """The optional fields at the end, in order; empty for one that is not sent."""
        return (
            b"" if self.measurement_status is None else pack(_U16, self.measurement_status),
            b"" if self.device_sensor_status is None else _u24(self.device_sensor_status),
            b"" if self.pai is None else SFLOAT.encode(self.pai),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotCheck(_Measurement):
    """One indication of 0x2A5E in the oximeter's own words; a field that it did not send is None."""

    spo2: Number
    pulse_rate: Number
    timestamp: DateTime | None = None
    clock_not_set: bool = False
    measurement_status: int | None = None
    device_sensor_status: int | None = None
    pai: Number | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 5 to 19 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        return cls(
            spo2=fields.sfloat(),
            pulse_rate=fields.sfloat(),
            timestamp=fields.date_time() if flags & _TIMESTAMP else None,
            clock_not_set=bool(flags & _CLOCK_NOT_SET),
            measurement_status=fields.u16() if flags & _SPOT_MEASUREMENT else None,
            device_sensor_status=fields.u24() if flags & _SPOT_DEVICE else None,
            pai=fields.sfloat() if flags & _SPOT_PAI else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what its bytes can't hold."""
        timestamp = b"" if self.timestamp is None else bytes(self.timestamp)
        optional = (timestamp, *self._status_parts())
        flags = sum(1 << place for place, part in enumerate(optional) if part) | self.clock_not_set << 4
        return bytes((flags,)) + b"".join((SFLOAT.encode(self.spo2), SFLOAT.encode(self.pulse_rate), *optional))

    @property
    def device_time(self) -> DateTime | None:
        """The oximeter's time; None where its clock was never set, and so says nothing."""
        return None if self.clock_not_set else self.timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous(_Measurement):
    """One notification of 0x2A5F in the oximeter's own words. The fast and the slow numbers, averaged over less and over more, come in pairs."""

    spo2: Number
    pulse_rate: Number
    spo2_fast: Number | None = None
    pulse_rate_fast: Number | None = None
    spo2_slow: Number | None = None
    pulse_rate_slow: Number | None = None
    measurement_status: int | None = None
    device_sensor_status: int | None = None
    pai: Number | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 5 to 20 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        return cls(
            spo2=fields.sfloat(),
            pulse_rate=fields.sfloat(),
            spo2_fast=fields.sfloat() if flags & _FAST else None,
            pulse_rate_fast=fields.sfloat() if flags & _FAST else None,
            spo2_slow=fields.sfloat() if flags & _SLOW else None,
            pulse_rate_slow=fields.sfloat() if flags & _SLOW else None,
            measurement_status=fields.u16() if flags & _MEASUREMENT else None,
            device_sensor_status=fields.u24() if flags & _DEVICE else None,
            pai=fields.sfloat() if flags & _PAI else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what its bytes can't hold, and for half of a pair."""
        fast = _pair(self.spo2_fast, self.pulse_rate_fast)
        optional = (fast, _pair(self.spo2_slow, self.pulse_rate_slow), *self._status_parts())
        flags = sum(1 << place for place, part in enumerate(optional) if part)
        return bytes((flags,)) + b"".join((SFLOAT.encode(self.spo2), SFLOAT.encode(self.pulse_rate), *optional))

    @property
    def timestamp(self) -> None:
        """It has none: a continuous measurement is of now."""
        return None

    @property
    def state(self) -> object:
        """What changes when something of note does: what the status words say, and whether there are numbers."""
        numbers = isinstance(self.spo2, Special), isinstance(self.pulse_rate, Special)
        return self.measurement_status, self.device_sensor_status, *numbers


def _pair(spo2: Number | None, pulse_rate: Number | None) -> bytes:
    if spo2 is None and pulse_rate is None:
        return b""
    if spo2 is None or pulse_rate is None:
        raise ValueError("a saturation and its pulse rate are sent together")
    return SFLOAT.encode(spo2) + SFLOAT.encode(pulse_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """0x2A60: what the oximeter can tell, and the bits of the two status words that it uses, where it says so."""

    features: int
    measurement_status_support: int | None = None
    device_sensor_support: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 2 to 7 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        features = fields.u16()
        return cls(
            features=features,
            measurement_status_support=fields.u16() if features & Feature.MEASUREMENT_STATUS else None,
            device_sensor_support=fields.u24() if features & Feature.DEVICE_STATUS else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError where the words that follow are not those that `features` promises."""
        measurement, device = self.measurement_status_support, self.device_sensor_support
        promised = bool(self.features & Feature.MEASUREMENT_STATUS), bool(self.features & Feature.DEVICE_STATUS)
        if promised != (measurement is not None, device is not None):
            raise ValueError("bits 0 and 1 of the features say which words of supported bits follow")
        words = b"" if measurement is None else pack(_U16, measurement)
        return pack(_U16, self.features) + words + (b"" if device is None else _u24(device))


def _describe_spot_check(data: bytes) -> Parts:
    value, parts = SpotCheck.from_bytes(data), Parts(data)
    parts.add(1, "flags", bits_in_words(data[0], SpotCheckFlag), "clock_not_set")
    _add_pair(parts, "", value.spo2, value.pulse_rate)
    if value.timestamp is not None:
        note = ", of a clock that is not set" if value.clock_not_set else ""
        parts.add(DateTime.SIZE, "timestamp", f"{value.timestamp}{note}")
    _add_status(parts, value)
    return parts


def _describe_continuous(data: bytes) -> Parts:
    value, parts = Continuous.from_bytes(data), Parts(data)
    parts.add(1, "flags", bits_in_words(data[0], ContinuousFlag))
    _add_pair(parts, "", value.spo2, value.pulse_rate)
    _add_pair(parts, "_fast", value.spo2_fast, value.pulse_rate_fast)
    _add_pair(parts, "_slow", value.spo2_slow, value.pulse_rate_slow)
    _add_status(parts, value)
    return parts


def _add_pair(parts: Parts, ending: str, spo2: Number | None, pulse_rate: Number | None) -> None:
    if spo2 is not None and pulse_rate is not None:
        parts.add(2, f"spo2{ending}", number_in_words(spo2, unit="%"))
        parts.add(2, f"pulse_rate{ending}", number_in_words(pulse_rate, unit="/min"))


def _add_status(parts: Parts, value: SpotCheck | Continuous) -> None:
    if value.measurement_status is not None:
        parts.add(2, "measurement_status", bits_in_words(value.measurement_status, MeasurementStatus))
    if value.device_sensor_status is not None:
        words = bits_in_words(value.device_sensor_status, DeviceStatus, none="nothing to remark")
        parts.add(3, "device_sensor_status", words)
    if value.pai is not None:
        parts.add(2, "pai", number_in_words(value.pai, unit="%"))
    parts.rest()


def _describe_features(data: bytes) -> Parts:
    value, parts = Features.from_bytes(data), Parts(data)
    parts.add(2, "features", bits_in_words(value.features, Feature))
    if value.measurement_status_support is not None:
        words = bits_in_words(value.measurement_status_support, MeasurementStatus)
        parts.add(2, "measurement_status_support", words)
    if value.device_sensor_support is not None:
        parts.add(3, "device_sensor_support", bits_in_words(value.device_sensor_support, DeviceStatus))
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A5E",
        title="PLX Spot-Check Measurement",
        source="Bluetooth Pulse Oximeter Service 1.0.1, 3.1",
        message=SpotCheck,
        decode=SpotCheck.from_bytes,
        encode=bytes,
        describe=_describe_spot_check,
    ),
    Format(
        key="2A5F",
        title="PLX Continuous Measurement",
        source="Bluetooth Pulse Oximeter Service 1.0.1, 3.2",
        message=Continuous,
        decode=Continuous.from_bytes,
        encode=bytes,
        describe=_describe_continuous,
    ),
    Format(
        key="2A60",
        title="PLX Features",
        source="Bluetooth Pulse Oximeter Service 1.0.1, 3.3",
        message=Features,
        decode=Features.from_bytes,
        encode=bytes,
        describe=_describe_features,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
