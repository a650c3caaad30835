"""FORA's and TaiDoc's cuffs, thermometers, oximeters and glucose meters: what a record of each means.

All kinds have one Bluetooth service, so that only a name, or the configuration, tells a cuff from a thermometer. The D40 is both a cuff and a glucose
meter: a record is taken only where its time says that it is of the right kind, or where the model makes nothing else.
"""

from functools import partial
from typing import Final

from device_drivers.advertisement import Marks
from device_drivers.cuffs import taidoc
from device_drivers.cuffs.pressures import pressure_values
from device_drivers.cuffs.taidoc import RecordTime
from device_drivers.cuffs.taidoc_session import LIVE, SERVICE, SET_TIME, USER, Kind, Session
from device_drivers.driver import Driver, SerialSettings, Transport, UsbId, Verified
from device_drivers.errors import Malformed
from device_drivers.format import AnyFormat
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reason, Value, measured_value, missing_value
from vitals.units import Unit

FAILED_PULSE: Final = 3
"""A pulse up to this is an error of the cuff's (advmeds, TaiDocBaseBpDecoder01), not a number."""
_CUFFS_ONLY: Final = frozenset({0x3128, 0x3129, 0x3140})
"""Models that measure nothing but blood pressure, and don't mark it (h2SyncLib takes the P30 Plus so)."""


def pressures(frame: bytes, time: RecordTime | None, model: int | None) -> tuple[Value, ...]:
    """Of a record that is marked as a blood pressure, or of a model that has no others."""
    if time is not None and not time.kind & 2 and model not in _CUFFS_ONLY:
        raise Malformed("not_marked_as_blood_pressure")
    value = taidoc.BloodPressure.from_bytes(frame)
    failed = value.systolic is None or (value.pulse_rate or 0) <= FAILED_PULSE
    if failed:
        return pressure_values(None, None, None)
    reasons = _pulse_reasons(time)
    values = pressure_values(value.systolic, value.diastolic, value.pulse_rate, *reasons)
    if value.mean is None:
        return values
    return (*values, measured_value(Parameter.MEAN, value.mean, *reasons))


def _pulse_reasons(time: RecordTime | None) -> tuple[Reason, ...]:
    """An arrhythmia, or a pulse that varied or fibrillated; one that was only fast or slow."""
    if time is None:
        return ()
    pulse = time.marks & 3
    irregular = time.kind & 1 or pulse in (2, 3)
    said = ((Reason.IRREGULAR_PULSE, irregular and pulse != 1), (Reason.PULSE_OUT_OF_RANGE, pulse == 1))
    return tuple(reason for reason, holds in said if holds)


def temperatures(frame: bytes, time: RecordTime | None, model: int | None) -> tuple[Value, ...]:
    """Of a body: that of a surface or a room is none."""
    site = 0 if time is None else (time.marks & 1) << 2 | time.kind
    if site in (4, 5):
        raise Malformed("not_a_body_temperature")
    degrees, unit = taidoc.Temperature.from_bytes(frame).temperature, Unit.CELSIUS
    if time is not None and time.marks & 4:
        degrees, unit = taidoc.fahrenheit(frame), Unit.FAHRENHEIT
    if degrees is None:
        return (missing_value(Parameter.TEMPERATURE, Reason.MEASUREMENT_FAILED),)
    return (measured_value(Parameter.TEMPERATURE, degrees, unit=unit),)


def saturations(frame: bytes, time: RecordTime | None, model: int | None) -> tuple[Value, ...]:
    """Where either number is 0 there was no finger, or none that it could measure."""
    value = taidoc.Saturation.from_bytes(frame)
    numbers = ((Parameter.SPO2, value.spo2), (Parameter.OXIMETER_PULSE_RATE, value.pulse_rate))
    if any(number is None for _, number in numbers):
        return tuple(missing_value(parameter, Reason.NO_FINGER) for parameter, _ in numbers)
    return tuple(measured_value(parameter, number or 0) for parameter, number in numbers)


def glucoses(frame: bytes, time: RecordTime | None, model: int | None) -> tuple[Value, ...]:
    """Of a patient's blood: neither the control solution nor another substance."""
    value = taidoc.Glucose.from_bytes(frame)
    if time is not None and time.kind & 2:
        raise Malformed("not_a_glucose")
    if value.meal == value.CONTROL or value.substance:
        raise Malformed("control_solution" if value.meal == value.CONTROL else "not_a_glucose")
    if value.glucose is None:
        return (missing_value(Parameter.GLUCOSE, Reason.MEASUREMENT_FAILED),)
    return (measured_value(Parameter.GLUCOSE, value.glucose),)


BLOOD_PRESSURE: Final = Kind(vital=Vital.BLOOD_PRESSURE, values=pressures)
TEMPERATURE: Final = Kind(vital=Vital.TEMPERATURE, values=temperatures)
SATURATION: Final = Kind(vital=Vital.SPO2, values=saturations)
GLUCOSE: Final = Kind(vital=Vital.GLUCOSE, values=glucoses)
_SHARED: Final = Marks(services=frozenset({SERVICE}))
"""By it alone a device may be any of these kinds."""

FORMATS: Final[tuple[AnyFormat, ...]] = ()
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="fora-bp",
        title="FORA or TaiDoc blood pressure cuff",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        formats=("taidoc-bp", "taidoc-time", "taidoc-cmd"),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        marks=(
            Marks(names=("FORA D40", "FORA P30", "FORA P60", "FORA P80", "TAIDOC TD31", "TAIDOC TD3261")),
            _SHARED,
        ),
        session=partial(Session, kind=BLOOD_PRESSURE),
        verified=(Verified.SECOND_SOURCE,),
        sleeps=True,
        stale_after_seconds=300,
        options=(SET_TIME, USER),
        missing="error codes of measurements that failed; which of several users measured, but by the option",
    ),
    Driver(
        key="fora-thermometer",
        title="FORA or TaiDoc thermometer",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.BLE,
        formats=("taidoc-temp", "taidoc-time", "taidoc-cmd"),
        measures=(Parameter.TEMPERATURE,),
        marks=(Marks(names=("FORA IR", "TAIDOC TD12", "TAIDOC TD1035")), _SHARED),
        session=partial(Session, kind=TEMPERATURE),
        verified=(Verified.SECOND_SOURCE,),
        sleeps=True,
        stale_after_seconds=300,
        options=(SET_TIME,),
        missing="where on the body was measured is read and not passed on",
    ),
    Driver(
        key="fora-oximeter",
        title="FORA or TaiDoc pulse oximeter",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("taidoc-spo2", "taidoc-time", "taidoc-cmd"),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE),
        marks=(Marks(names=("FORA O2", "TAIDOC TD82")), _SHARED),
        session=partial(Session, kind=SATURATION),
        verified=(Verified.SECOND_SOURCE,),
        sleeps=True,
        stale_after_seconds=300,
        options=(SET_TIME, LIVE),
        missing="perfusion, plethysmogram, and any sign of a bad signal",
    ),
    Driver(
        key="fora-glucose",
        title="FORA or TaiDoc glucose meter",
        device_type=DeviceType.GLUCOSE_METER,
        transport=Transport.BLE,
        formats=("taidoc-glucose", "taidoc-time", "taidoc-cmd"),
        measures=(Parameter.GLUCOSE,),
        marks=(Marks(names=("FORA GD40", "FORA D40", "TAIDOC TD42", "TAIDOC TD3261")), _SHARED),
        session=partial(Session, kind=GLUCOSE),
        verified=(Verified.SECOND_SOURCE,),
        sleeps=True,
        stale_after_seconds=300,
        options=(SET_TIME, USER),
        missing="ketone, haematocrit and uric acid; before or after a meal is read and not passed on",
    ),
    Driver(
        key="taidoc-glucose-serial",
        title="TaiDoc TD-42xx glucose meter on its cable",
        device_type=DeviceType.GLUCOSE_METER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=19200),
        usb=frozenset({UsbId(vendor=0x10C4, product=0xEA80)}),
        formats=("taidoc-glucose", "taidoc-time", "taidoc-cmd"),
        measures=(Parameter.GLUCOSE,),
        session=partial(Session, kind=GLUCOSE, characteristic=None),
        verified=(Verified.SECOND_SOURCE,),
        sleeps=True,
        stale_after_seconds=300,
        options=(SET_TIME,),
        missing="the cable's bridge (CP2110) is a HID device, for which the system must give a serial port; as for fora-glucose",
    ),
)
