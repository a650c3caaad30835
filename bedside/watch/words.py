"""What devices, vitals and reasons are called on a screen."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from bedside.watch.messages import Number, Pressure
from vitals.identifiers import DeviceType
from vitals.parameters import Vital

NOTHING: Final = "--"

# In the order in which they are shown.
VITALS: Final[Mapping[Vital, str]] = MappingProxyType(
    {
        Vital.SPO2: "SpO2",
        Vital.HEART_RATE: "HR",
        Vital.BLOOD_PRESSURE: "BP",
        Vital.TEMPERATURE: "temp",
        Vital.PULSE_RATE: "cuff pulse",
        Vital.RESPIRATORY_RATE: "RR",
        Vital.PERFUSION_INDEX: "PI",
        Vital.WEIGHT: "weight",
        Vital.GLUCOSE: "glucose",
    }
)
UNITS: Final[Mapping[Vital, str]] = MappingProxyType(
    {
        Vital.SPO2: "%",
        Vital.HEART_RATE: "/min",
        Vital.BLOOD_PRESSURE: "mmHg",
        Vital.TEMPERATURE: "°C",
        Vital.PULSE_RATE: "/min",
        Vital.RESPIRATORY_RATE: "/min",
        Vital.PERFUSION_INDEX: "%",
        Vital.WEIGHT: "kg",
        Vital.GLUCOSE: "mg/dL",
    }
)
DEVICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        DeviceType.PULSE_OXIMETER: "oximeter",
        DeviceType.BLOOD_PRESSURE_MONITOR: "cuff",
        DeviceType.THERMOMETER: "thermometer",
        DeviceType.HEART_RATE_MONITOR: "heart monitor",
        DeviceType.WEIGHT_SCALE: "scale",
        DeviceType.GLUCOSE_METER: "glucose meter",
    }
)


def device_word(device_type: str) -> str:
    return DEVICES.get(device_type, plain(device_type))


def plain(word: str) -> str:
    """A word of the catalogue as people read it: `no_finger` is `no finger`."""
    return word.replace("_", " ")


def listed(words: Iterable[str]) -> str:
    return ", ".join(plain(word) for word in words)


def number_text(number: Number | Pressure) -> str:
    """`97`, `36.8`, `150/95`; what is missing is `--`, never 0."""
    if isinstance(number, Pressure):
        return f"{number_text(number.systolic)}/{number_text(number.diastolic)}"
    return NOTHING if number is None else f"{number.normalize():f}"


def number_with_unit(vital: Vital, number: Number | Pressure) -> str:
    """`97 %`; what is missing has no unit."""
    return NOTHING if number is None else f"{number_text(number)} {UNITS[vital]}"
