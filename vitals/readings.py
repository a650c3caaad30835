"""Readings: one measurement by one device at one time, with one value or several.

Value, unit, measured time, received time, quality and device never travel apart. A number that is missing is None with a
reason, never 0; a number in doubt keeps its reasons beside it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import Annotated, Final, TypeAlias

import msgspec

from vitals.identifiers import DeviceKey
from vitals.parameters import PARAMETERS, Parameter, Vital
from vitals.units import Unit, convert, convertible

RAW_LIMIT: Final = 64
"""Bytes of the deciding frame kept with a reading for audit."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Nothing of ours was measured before: an earlier time comes from a clock that was never set."""
MAX_NUMBER: Final = Decimal(1_000_000)
MAX_PLACES: Final = 9
"""Bounds of what can be a measurement at all, plausible or not; they keep every number exact in JSON and in a client's float."""
MAX_WORD: Final = 100

Word: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_WORD, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
"""A short text of a gateway's or a device's, without control characters."""
Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
LocalTime: TypeAlias = Annotated[datetime, msgspec.Meta(tz=False)]


@unique
class Quality(StrEnum):
    """What a value is worth. `questionable` is shown with a mark and judged; `missing` has no number and is never judged."""

    VALID = "valid"
    QUESTIONABLE = "questionable"
    MISSING = "missing"


@unique
class Reason(StrEnum):
    """Why a value is missing or questionable, or what a clinician should know of it; one vocabulary for every device."""

    NOT_MEASURED = "not_measured"  # the device does not give it, or not this time
    MEASUREMENT_FAILED = "measurement_failed"  # it tried and gave up (NaN in a measurement's main field)
    OUT_OF_RANGE = "out_of_range"  # beyond what the device can show (+INF, -INF, NRes)
    IMPLAUSIBLE = "implausible"  # outside the parameter's plausible range
    NO_FINGER = "no_finger"
    SENSOR_DISCONNECTED = "sensor_disconnected"
    SENSOR_FAULT = "sensor_fault"
    SEARCHING = "searching"
    NO_PULSE_FOUND = "no_pulse_found"
    LOW_PERFUSION = "low_perfusion"
    WEAK_SIGNAL = "weak_signal"
    OUT_OF_TRACK = "out_of_track"
    MOTION = "motion"
    ARTIFACT = "artifact"
    IRREGULAR_PULSE = "irregular_pulse"
    PULSE_OUT_OF_RANGE = "pulse_out_of_range"
    CUFF_LOOSE = "cuff_loose"
    IMPROPER_POSITION = "improper_position"
    DISPLAY_HELD = "display_held"  # the device repeats an older number
    EARLY_ESTIMATE = "early_estimate"
    LOW_CONFIDENCE = "low_confidence"  # the device itself doubts it, and does not say why
    FROM_STORAGE = "from_storage"
    DEMONSTRATION = "demonstration"
    CONTROL_SOLUTION = "control_solution"  # a glucose meter was checked with a liquid of known strength; no patient's
    UNVERIFIED = "unverified"  # there may be a number, but how the device writes such a one nobody has verified


INFORMATIVE: Final = frozenset({Reason.FROM_STORAGE})
"""Reasons that say something of a value without putting it in doubt."""


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parameter's number in the parameter's own unit; what the device sent, where that was another unit, stays beside it.

    Raises ValueError (to whoever decodes one: ValidationError) where unit, number, quality and reasons contradict each other.
    """

    parameter: Parameter
    number: Decimal | None
    unit: Unit
    quality: Quality = Quality.VALID
    reasons: tuple[Reason, ...] = ()
    sent_number: Decimal | None = None
    sent_unit: Unit | None = None

    def __post_init__(self) -> None:
        if self.unit is not PARAMETERS[self.parameter].unit:
            raise ValueError(f"{self.parameter} is not measured in {self.unit}")
        if (self.number is None) is not (self.quality is Quality.MISSING) or not (
            self.reasons or self.number is not None
        ):
            raise ValueError(f"{self.parameter} has either a number, or the quality missing with a reason")
        if any(number is not None and not is_measurable(number) for number in (self.number, self.sent_number)):
            raise ValueError(f"{self.parameter} has a number that nothing measures")


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a recording a replayed reading stands. The reading itself is measured now; `speed` is recorded seconds a second."""

    recording: Word
    position_seconds: float
    speed: float


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measurement.

    `measured` is the gateway's clock at arrival for a live reading; for a stored one the device's time plus the offset that was
    measured when the device's clock was read. `received` is the gateway's clock at arrival. `device_time` is what the device
    said, without a zone. `time_uncertain`: the device's clock could not be related to ours; recorded, never judged.
    `record` and `user` are the device's own record number and user number.
    Raises ValueError where a parameter is there twice, none is of `data_type`, or a blood pressure is half there.
    """

    data_type: Vital
    device: DeviceKey
    values: tuple[Value, ...]
    measured: Instant
    received: Instant
    raw: Annotated[bytes, msgspec.Meta(max_length=RAW_LIMIT)]
    device_time: LocalTime | None = None
    time_uncertain: bool = False
    stored: bool = False
    record: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    user: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    replayed: Replayed | None = None

    def __post_init__(self) -> None:
        parameters = {value.parameter for value in self.values}
        if len(parameters) < len(self.values):
            raise ValueError("a reading has each parameter once")
        if all(PARAMETERS[parameter].vital is not self.data_type for parameter in parameters):
            raise ValueError(f"a reading of {self.data_type} has a value of it")
        if (Parameter.SYSTOLIC in parameters) is not (Parameter.DIASTOLIC in parameters):
            raise ValueError("a blood pressure is systolic and diastolic")

    def value(self, parameter: Parameter) -> Value | None:
        """The value of `parameter`, None where the reading has none."""
        return next((value for value in self.values if value.parameter is parameter), None)


def is_measurable(number: Decimal) -> bool:
    """Whether `number` can be a measurement at all: finite, below MAX_NUMBER either way, of no more than MAX_PLACES decimals."""
    if not number.is_finite() or abs(number) >= MAX_NUMBER:
        return False
    return number == number.quantize(Decimal(1).scaleb(-MAX_PLACES))


def measured_value(parameter: Parameter, number: Decimal | int, *reasons: Reason, unit: Unit | None = None) -> Value:
    """A value from a number that the device gave in `unit` (the parameter's own when not said).

    Questionable when any reason puts it in doubt or when it is implausible; a plausible number without such reasons is valid.
    Missing, out of range, where it is not even measurable. Raises ValueError for a unit that does not measure the parameter.
    """
    facts = PARAMETERS[parameter]
    sent_unit = unit or facts.unit
    sent = number if isinstance(number, Decimal) else Decimal(number)
    if not convertible(sent_unit, facts.unit):
        raise ValueError(f"{sent_unit} does not measure {parameter}")
    if not is_measurable(sent) or not is_measurable(exact := convert(sent, sent_unit, facts.unit, places=facts.places)):
        return missing_value(parameter, Reason.OUT_OF_RANGE, *reasons)
    canonical = plain(exact)
    if not facts.low <= canonical <= facts.high and Reason.IMPLAUSIBLE not in reasons:
        reasons = (*reasons, Reason.IMPLAUSIBLE)
    converted = sent_unit is not facts.unit
    return Value(
        parameter=parameter,
        number=canonical,
        unit=facts.unit,
        quality=Quality.VALID if INFORMATIVE.issuperset(reasons) else Quality.QUESTIONABLE,
        reasons=reasons,
        sent_number=sent if converted else None,
        sent_unit=sent_unit if converted else None,
    )


def missing_value(parameter: Parameter, reason: Reason, *more: Reason) -> Value:
    """No number, and why."""
    return Value(
        parameter=parameter,
        number=None,
        unit=PARAMETERS[parameter].unit,
        quality=Quality.MISSING,
        reasons=(reason, *more),
    )


def plain(number: Decimal) -> Decimal:
    """`number` without an exponent and without trailing zeros, so that it is written `120` and `36.6`."""
    normal = number.normalize()
    return normal.quantize(Decimal(1)) if normal == normal.to_integral_value() else normal


def vitals_of(values: Iterable[Value]) -> dict[str, Decimal | dict[str, Decimal | None] | None]:
    """The members that these values make in a client's message: `{"blood_pressure": {"systolic": …}, "pulse_rate": …}`."""
    members: dict[str, Decimal | dict[str, Decimal | None] | None] = {}
    for value in values:
        facts = PARAMETERS[value.parameter]
        if facts.member is None:
            members[facts.vital] = value.number
            continue
        group = members.setdefault(facts.vital, {})
        assert isinstance(group, dict)  # noqa: S101 - the table gives a vital either members or none
        group[facts.member] = value.number
    return members
