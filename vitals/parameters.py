"""What can be measured: one table with each parameter's place in a message, its unit, codes and plausible range.

A *parameter* is one number (systolic pressure). A *vital* is what a client's message shows under one name, either a number
(`spo2`) or an object of several (`blood_pressure`). Codes: LOINC as in FHIR R4 vital signs; MDC is the full code of
ISO/IEEE 11073-10101 (partition x 65536 + term).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from vitals.units import Unit


@unique
class Vital(StrEnum):
    """Names under which clients see vital signs; also the `data_type` of device data."""

    BLOOD_PRESSURE = "blood_pressure"
    HEART_RATE = "heart_rate"
    PULSE_RATE = "pulse_rate"
    TEMPERATURE = "temperature"
    SPO2 = "spo2"
    RESPIRATORY_RATE = "respiratory_rate"
    PERFUSION_INDEX = "perfusion_index"
    WEIGHT = "weight"
    GLUCOSE = "glucose"


@unique
class Parameter(StrEnum):
    """One measured number."""

    SYSTOLIC = "systolic"
    DIASTOLIC = "diastolic"
    MEAN = "mean"
    CUFF_PULSE_RATE = "pulse_rate"
    HEART_RATE = "heart_rate"
    OXIMETER_PULSE_RATE = "oximeter_pulse_rate"
    SPO2 = "spo2"
    PERFUSION_INDEX = "perfusion_index"
    TEMPERATURE = "temperature"
    RESPIRATORY_RATE = "respiratory_rate"
    WEIGHT = "weight"
    GLUCOSE = "glucose"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterFacts:
    """`member` is the name inside the vital's object, None where the vital is the number itself. `places` are the decimals
    kept when a unit is converted. Outside `low`..`high` a value is implausible: shown with a mark, never rewritten."""

    vital: Vital
    unit: Unit
    loinc: str
    mdc: int
    low: Decimal
    high: Decimal
    places: int = 0
    member: str | None = None


def _facts(
    vital: Vital,
    unit: Unit,
    loinc: str,
    mdc: int,
    plausible: tuple[int, int],
    places: int = 0,
    member: str | None = None,
) -> ParameterFacts:
    low, high = plausible
    return ParameterFacts(
        vital=vital, unit=unit, loinc=loinc, mdc=mdc, low=Decimal(low), high=Decimal(high), places=places, member=member
    )


PARAMETERS: Final[Mapping[Parameter, ParameterFacts]] = MappingProxyType(
    {
        Parameter.SYSTOLIC: _facts(Vital.BLOOD_PRESSURE, Unit.MMHG, "8480-6", 150021, (30, 300), member="systolic"),
        Parameter.DIASTOLIC: _facts(Vital.BLOOD_PRESSURE, Unit.MMHG, "8462-4", 150022, (20, 250), member="diastolic"),
        Parameter.MEAN: _facts(Vital.BLOOD_PRESSURE, Unit.MMHG, "8478-0", 150023, (20, 280), member="mean"),
        Parameter.CUFF_PULSE_RATE: _facts(Vital.PULSE_RATE, Unit.PER_MINUTE, "8867-4", 149546, (20, 300)),
        Parameter.HEART_RATE: _facts(Vital.HEART_RATE, Unit.PER_MINUTE, "8867-4", 147842, (20, 300)),
        Parameter.OXIMETER_PULSE_RATE: _facts(Vital.HEART_RATE, Unit.PER_MINUTE, "8889-8", 149530, (20, 300)),
        Parameter.SPO2: _facts(Vital.SPO2, Unit.PERCENT, "59408-5", 150456, (1, 100)),
        Parameter.PERFUSION_INDEX: _facts(Vital.PERFUSION_INDEX, Unit.PERCENT, "61006-3", 150448, (0, 100), places=2),
        Parameter.TEMPERATURE: _facts(Vital.TEMPERATURE, Unit.CELSIUS, "8310-5", 150364, (20, 45), places=2),
        Parameter.RESPIRATORY_RATE: _facts(Vital.RESPIRATORY_RATE, Unit.PER_MINUTE, "9279-1", 151562, (0, 150)),
        Parameter.WEIGHT: _facts(Vital.WEIGHT, Unit.KILOGRAM, "29463-7", 188736, (0, 650), places=3),
        Parameter.GLUCOSE: _facts(Vital.GLUCOSE, Unit.MILLIGRAM_PER_DECILITRE, "41653-7", 160184, (5, 2000), places=1),
    }
)

CONTINUOUS: Final = frozenset({Vital.SPO2, Vital.HEART_RATE, Vital.PERFUSION_INDEX, Vital.RESPIRATORY_RATE})
"""Vitals that come many times a minute. The others are spot checks: never coalesced, and late only after `LATE_SPOT_SECONDS`."""

LATE_CONTINUOUS_SECONDS: Final = 30
LATE_SPOT_SECONDS: Final = 5 * 60


def late_after_seconds(vital: Vital) -> int:
    """How long after it was measured a reading may be sent and still count as now (both on the gateway's clock)."""
    return LATE_CONTINUOUS_SECONDS if vital in CONTINUOUS else LATE_SPOT_SECONDS


def parameters_of(vital: Vital) -> tuple[Parameter, ...]:
    """The parameters shown under `vital`, in the order of the table."""
    return tuple(parameter for parameter, facts in PARAMETERS.items() if facts.vital is vital)
