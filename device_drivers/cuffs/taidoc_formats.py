"""The formats of TaiDoc's frames, and what their bytes say."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from device_drivers.cuffs.pressures import with_seconds, without_seconds
from device_drivers.cuffs.taidoc import (
    COUNT_RECORDS,
    LISTENING,
    READ_CLOCK,
    READ_MODEL,
    READ_NOW,
    READ_RECORD_TIME,
    READ_RECORD_VALUE,
    SET_CLOCK,
    BloodPressure,
    Frame,
    Glucose,
    RecordTime,
    Saturation,
    Temperature,
    measure,
)
from device_drivers.driver import Driver
from device_drivers.fields import Json, fields_of, message_from
from device_drivers.format import AnyFormat, Format, Parts


def _describe_any(data: bytes) -> Parts:
    frame, parts = Frame.from_bytes(data), Parts(data)
    _head(parts, frame)
    parts.add(4, "data", frame.data.hex(" "))
    return _tail(parts, frame)


def _describe_time(data: bytes) -> Parts:
    time, parts = RecordTime.from_bytes(data), Parts(data)
    _head(parts, Frame.from_bytes(data), "clock")
    parts.add(2, "date", f"{time.timestamp}", "timestamp")
    parts.add(1, "minute", f"{time.timestamp.minute}; kind {time.kind}", "timestamp", "kind")
    parts.add(1, "hour", f"{time.timestamp.hour}; marks {time.marks}", "timestamp", "marks")
    return _tail(parts, Frame.from_bytes(data))


def _describe_pressure(data: bytes) -> Parts:
    value, parts = BloodPressure.from_bytes(data), Parts(data)
    _head(parts, Frame.from_bytes(data))
    systolic, second = _said(value.systolic, "mmHg"), "high byte of the systolic pressure"
    parts.add(1, "systolic", systolic)
    parts.add(1, "map or systolic", second if value.mean is None else f"{value.mean} mmHg", "systolic", "map")
    parts.add(1, "diastolic", _said(value.diastolic, "mmHg"))
    parts.add(1, "pulse_rate", _said(value.pulse_rate, "/min"))
    return _tail(parts, Frame.from_bytes(data))


def _describe_temperature(data: bytes) -> Parts:
    value, parts = Temperature.from_bytes(data), Parts(data)
    _head(parts, Frame.from_bytes(data))
    parts.add(2, "temperature", _said(value.temperature, "degrees, in the unit of the record's time"))
    parts.add(2, "ambient", _said(value.ambient, "degrees about the thermometer"))
    return _tail(parts, Frame.from_bytes(data))


def _describe_saturation(data: bytes) -> Parts:
    value, parts = Saturation.from_bytes(data), Parts(data)
    _head(parts, Frame.from_bytes(data), "live")
    parts.add(2, "spo2", _said(value.spo2, "%"))
    parts.add(1, "unexplained", "no known meaning")
    parts.add(1, "pulse_rate", _said(value.pulse_rate, "/min"))
    return _tail(parts, Frame.from_bytes(data))


def _describe_glucose(data: bytes) -> Parts:
    value, parts = Glucose.from_bytes(data), Parts(data)
    _head(parts, Frame.from_bytes(data))
    meals = ("not by a meal", "before a meal", "after a meal", "control solution")
    substances = {0: "glucose", 6: "haematocrit", 7: "ketone"}
    parts.add(2, "glucose", _said(value.glucose, "mg/dL"))
    parts.add(1, "code", f"{value.code}, with two bits of the next byte")
    kind = f"{meals[value.meal]}; {substances.get(value.substance, 'unknown substance')}"
    parts.add(1, "kind", kind, "meal", "substance", "code")
    return _tail(parts, Frame.from_bytes(data))


def _said(number: int | Decimal | None, unit: str) -> str:
    return "none (0)" if number is None else f"{number} {unit}"


def _head(parts: Parts, frame: Frame, *fields: str) -> None:
    names = {
        READ_CLOCK: "clock",
        READ_MODEL: "model",
        READ_RECORD_TIME: "time of a record",
        READ_RECORD_VALUE: "value of a record",
        COUNT_RECORDS: "number of records",
        SET_CLOCK: "set the clock",
        READ_NOW: "present numbers",
        LISTENING: "the device listens",
    }
    parts.add(1, "start", "of a frame")
    parts.add(1, "cmd", names.get(frame.cmd, "no known meaning"), "cmd", *fields)


def _tail(parts: Parts, frame: Frame) -> Parts:
    parts.add(1, "from_device", "from the device" if frame.from_device else "from the host")
    parts.add(1, "checksum", "the sum of the seven bytes before")
    parts.rest()
    return parts


def _time_fields(time: RecordTime) -> dict[str, Json]:
    return without_seconds(fields_of(time))


def _time_from(fields: Mapping[str, Json]) -> RecordTime:
    return message_from(RecordTime, with_seconds(fields))


def _format(
    key: str,
    title: str,
    message: type[Any],
    describe: Callable[[bytes], Parts],
    **options: Any,  # noqa: ANN401 - as Format's own
) -> AnyFormat:
    return Format(
        key=key,
        title=title,
        source="advmeds-service/advmeds-bluetooth-lib; markchuang56/iOS-Demo; YentingChia-Ultron/Ultron-esp32BLE; glucometerutils",
        message=message,
        decode=message.from_bytes,
        encode=bytes,
        describe=describe,
        measure=measure,
        **options,
    )


FORMATS: Final[tuple[AnyFormat, ...]] = (
    _format("taidoc-cmd", "TaiDoc frame of either side", Frame, _describe_any),
    _format(
        "taidoc-time", "TaiDoc record's time", RecordTime, _describe_time, fields=_time_fields, from_fields=_time_from
    ),
    _format("taidoc-bp", "TaiDoc blood pressure", BloodPressure, _describe_pressure),
    _format("taidoc-temp", "TaiDoc temperature", Temperature, _describe_temperature),
    _format("taidoc-spo2", "TaiDoc oxygen saturation", Saturation, _describe_saturation),
    _format("taidoc-glucose", "TaiDoc glucose", Glucose, _describe_glucose),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
