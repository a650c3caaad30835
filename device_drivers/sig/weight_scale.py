"""Weight Scale Service (WSS 1.0): measurement 0x2A9D, feature 0x2A9E.

Layout by GATT Specification Supplement, Weight Measurement and Weight Scale Feature. The steps of a number are fixed by its unit (0.005 kg, 0.01 lb,
0.001 m, 0.1 in); the resolutions that a scale states in 0x2A9E say how finely it measures and scale nothing, though some libraries multiply by them.
"""

from collections.abc import Sequence
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
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.sig import session
from device_drivers.values import numbered
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, missing_value
from vitals.units import Unit

FAILED: Final = 0xFFFF
"""In place of a weight: the scale found none."""
UNKNOWN_USER: Final = 0xFF
_WORD: Final = 0xFFFF
_BMI_STEP: Final = Decimal("0.1")
_WEIGHT_STEPS: Final = {Unit.KILOGRAM: Decimal("0.005"), Unit.POUND: Decimal("0.01")}
_HEIGHT_STEPS: Final = {Unit.KILOGRAM: Decimal("0.001"), Unit.POUND: Decimal("0.1")}
_WEIGHT_RESOLUTIONS: Final = (
    *("not specified", "0.5 kg or 1 lb", "0.2 kg or 0.5 lb", "0.1 kg or 0.2 lb", "0.05 kg or 0.1 lb"),
    *("0.02 kg or 0.05 lb", "0.01 kg or 0.02 lb", "0.005 kg or 0.01 lb"),
)
_HEIGHT_RESOLUTIONS: Final = ("not specified", "0.01 m or 1 in", "0.005 m or 0.5 in", "0.001 m or 0.1 in")


class Flag(IntFlag):
    """The first byte of 0x2A9D; bits 4 to 7 are reserved."""

    IMPERIAL = 1 << 0
    TIMESTAMP = 1 << 1
    USER_ID = 1 << 2
    BMI_AND_HEIGHT = 1 << 3


_IMPERIAL, _TIMESTAMP, _USER_ID, _BMI_AND_HEIGHT = (flag.value for flag in Flag)  # plain: decoding is a hot path


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightMeasurement:
    """One indication of 0x2A9D, in the scale's own words: `weight` in `unit`, None where it found none; `height` in metres, or inches beside
    pounds. A scale that sends a body-mass index sends the height too."""

    weight: Decimal | None
    unit: Unit = Unit.KILOGRAM
    timestamp: DateTime | None = None
    user_id: int | None = None
    bmi: Decimal | None = None
    height: Decimal | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 3 to 15 bytes; what follows is ignored. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        unit = Unit.POUND if flags & _IMPERIAL else Unit.KILOGRAM
        weight = fields.u16()
        has_height = flags & _BMI_AND_HEIGHT
        return cls(
            unit=unit,
            weight=None if weight == FAILED else weight * _WEIGHT_STEPS[unit],
            timestamp=fields.date_time() if flags & _TIMESTAMP else None,
            user_id=fields.u8() if flags & _USER_ID else None,
            bmi=fields.u16() * _BMI_STEP if has_height else None,
            height=fields.u16() * _HEIGHT_STEPS[unit] if has_height else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that lies between two steps or is too large, and for a body-mass index without a height."""
        if (self.bmi is None) is not (self.height is None):
            raise ValueError("a body-mass index and a height are sent together")
        flags = Flag.IMPERIAL if self.unit is Unit.POUND else Flag(0)
        weight = FAILED if self.weight is None else _steps(self.weight, _WEIGHT_STEPS[self.unit], FAILED - 1)
        parts = [weight.to_bytes(2, "little")]
        if self.timestamp is not None:
            flags |= Flag.TIMESTAMP
            parts.append(bytes(self.timestamp))
        if self.user_id is not None:
            flags |= Flag.USER_ID
            parts.append(bytes((self.user_id,)))
        if self.bmi is not None and self.height is not None:
            flags |= Flag.BMI_AND_HEIGHT
            parts.append(_steps(self.bmi, _BMI_STEP, _WORD).to_bytes(2, "little"))
            parts.append(_steps(self.height, _HEIGHT_STEPS[self.unit], _WORD).to_bytes(2, "little"))
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
        """The reading: the weight in kilograms, and in pounds beside where they were sent."""
        return Reading(
            data_type=Vital.WEIGHT,
            device=device,
            values=(self._value(),),
            measured=measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            device_time=self.timestamp.moment if self.timestamp else None,
            time_uncertain=time_uncertain,
            stored=stored,
            user=None if self.user_id == UNKNOWN_USER else self.user_id,
        )

    def _value(self) -> Value:
        if self.weight is None:
            return missing_value(Parameter.WEIGHT, Reason.MEASUREMENT_FAILED)
        return numbered(Parameter.WEIGHT, self.weight, unit=self.unit, zero_is_missing=True)


def _steps(number: Decimal, step: Decimal, most: int) -> int:
    """How many steps `number` is. Raises ValueError."""
    steps = number / step
    if steps != steps.to_integral_value() or not 0 <= steps <= most:
        raise ValueError(f"{number} is not from 0 to {most * step} in steps of {step}")
    return int(steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightScaleFeature:
    """0x2A9E: what the scale can tell. The resolutions are codes as sent: 0 not specified, then ever finer; larger ones are reserved."""

    timestamp: bool
    multiple_users: bool
    bmi: bool
    weight_resolution: int
    height_resolution: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 4 bytes. Raises Truncated."""
        bits = ByteReader(data).u32()
        return cls(
            timestamp=bool(bits & 1),
            multiple_users=bool(bits & 2),
            bmi=bool(bits & 4),
            weight_resolution=bits >> 3 & 0xF,
            height_resolution=bits >> 7 & 0x7,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a resolution that its bits don't hold."""
        if not (0 <= self.weight_resolution <= 0xF and 0 <= self.height_resolution <= 0x7):
            raise ValueError("a weight's resolution is from 0 to 15, a height's from 0 to 7")
        known = self.timestamp | self.multiple_users << 1 | self.bmi << 2
        return (known | self.weight_resolution << 3 | self.height_resolution << 7).to_bytes(4, "little")


def _describe(data: bytes) -> Parts:
    value, parts = WeightMeasurement.from_bytes(data), Parts(data)
    pounds = value.unit is Unit.POUND
    unit = "lb" if pounds else "kg"
    parts.add(1, "flags", f"{bits_in_words(data[0], Flag)}; unit {unit}", "unit")
    parts.add(2, "weight", "none found (65535)" if value.weight is None else f"{value.weight} {unit}")
    if value.timestamp is not None:
        parts.add(DateTime.SIZE, "timestamp", value.timestamp)
    if value.user_id is not None:
        parts.add(1, "user_id", "unknown user" if value.user_id == UNKNOWN_USER else f"user {value.user_id}")
    if value.bmi is not None:
        parts.add(2, "bmi", f"{value.bmi} kg/m2")
        parts.add(2, "height", f"{value.height} {'in' if pounds else 'm'}")
    parts.rest()
    return parts


def _describe_feature(data: bytes) -> Parts:
    value, parts = WeightScaleFeature.from_bytes(data), Parts(data)
    said = (("time stamps", value.timestamp), ("several users", value.multiple_users), ("body-mass index", value.bmi))
    words = ", ".join(name for name, holds in said if holds) or "weight alone"
    weight, height = (
        _resolution(value.weight_resolution, _WEIGHT_RESOLUTIONS),
        _resolution(value.height_resolution, _HEIGHT_RESOLUTIONS),
    )
    names = ("timestamp", "multiple_users", "bmi", "weight_resolution", "height_resolution")
    parts.add(4, "features", f"{words}; weighs by {weight}; height by {height}", *names)
    parts.rest()
    return parts


def _resolution(code: int, words: Sequence[str]) -> str:
    return words[code] if code < len(words) else f"reserved ({code})"


PROFILE: Final = session.Profile(measurement=uuids.WEIGHT_MEASUREMENT, decode=WeightMeasurement.from_bytes)
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A9D",
        title="Weight Measurement",
        source="Bluetooth GATT Specification Supplement, Weight Measurement; Weight Scale Service 1.0, 3.2",
        message=WeightMeasurement,
        decode=WeightMeasurement.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
    Format(
        key="2A9E",
        title="Weight Scale Feature",
        source="Bluetooth GATT Specification Supplement, Weight Scale Feature; Weight Scale Service 1.0, 3.1",
        message=WeightScaleFeature,
        decode=WeightScaleFeature.from_bytes,
        encode=bytes,
        describe=_describe_feature,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="sig-weight-scale",
        title="Weight scale (Bluetooth SIG profile)",
        device_type=DeviceType.WEIGHT_SCALE,
        transport=Transport.BLE,
        formats=("2A9D", "2A9E"),
        measures=(Parameter.WEIGHT,),
        marks=(Marks(services=frozenset({uuids.WEIGHT_SCALE_SERVICE})),),
        session=partial(session.Session, profile=PROFILE),
        verified=(Verified.STANDARD,),
        sleeps=True,
        stale_after_seconds=300,
        options=session.OPTIONS,
        missing="body-mass index and height are decoded and no readings; scales that send only to a user who has consented (User Data Service)",
    ),
)
