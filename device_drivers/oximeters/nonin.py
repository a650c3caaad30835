"""What Nonin's oximeters have in common: the line, the numbers that mean "none", and what a status says of the numbers beside it.

Source of all serial formats: "Onyx II Model 9560 Bluetooth Fingertip Oximeter, OEM Specification and Technical Information",
6470-000-01, 2008 (in mattjlewis/NoninPulseOx). A missing heart rate is 511, a missing SpO2 is 127. Numbers formatted for display are
repeated for ten seconds after the finger has gone, with the sensor alarm set.
"""

from typing import Final

from device_drivers.driver import SerialSettings
from vitals.parameters import Parameter
from vitals.readings import Reason, Value, measured_value, missing_value

SPECIFICATION: Final = "Nonin 9560 OEM Specification 6470-000-01"
LINE: Final = SerialSettings(baud=9600)
MEASURES: Final = (Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE)
NO_HEART_RATE: Final = 511
NO_SPO2: Final = 127
LOW_BATTERY: Final = "low_battery"


def heart_rate(word: int) -> int | None:
    """Beats a minute of nine bits; None for "none"."""
    return None if word == NO_HEART_RATE else word


def spo2(byte: int) -> int | None:
    """Per cent of the lower seven bits; None for "none"."""
    return None if byte & 0x7F == NO_SPO2 else byte & 0x7F


def rate_in_words(rate: int | None) -> str:
    return f"none ({NO_HEART_RATE})" if rate is None else f"{rate} /min"


def spo2_in_words(saturation: int | None) -> str:
    return f"none ({NO_SPO2})" if saturation is None else f"{saturation} %"


def why_missing(*, sensor_disconnected: bool, sensor_alarm: bool, out_of_track: bool) -> Reason:
    """Why an oximeter with this status has no number."""
    if sensor_disconnected:
        return Reason.SENSOR_DISCONNECTED
    if sensor_alarm:
        return Reason.NO_FINGER
    return Reason.OUT_OF_TRACK if out_of_track else Reason.SEARCHING


def doubts(*, sensor_alarm: bool, out_of_track: bool, artifact: bool, low_perfusion: bool) -> tuple[Reason, ...]:
    """What puts its numbers in doubt."""
    said = (
        (Reason.DISPLAY_HELD, sensor_alarm),
        (Reason.OUT_OF_TRACK, out_of_track),
        (Reason.ARTIFACT, artifact),
        (Reason.LOW_PERFUSION, low_perfusion),
    )
    return tuple(reason for reason, holds in said if holds)


def values(
    saturation: int | None, rate: int | None, *, missing: tuple[Reason, ...], doubts: tuple[Reason, ...] = ()
) -> tuple[Value, ...]:
    """SpO2 and pulse; None and 0 are missing for the reasons that `missing` has."""
    numbers = zip(MEASURES, (saturation, rate), strict=True)
    return tuple(
        measured_value(parameter, number, *doubts) if number else missing_value(parameter, *missing)
        for parameter, number in numbers
    )
