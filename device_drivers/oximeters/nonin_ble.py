"""Nonin's own Bluetooth LE service: Model 3230 and WristOx2 3150 BLE, one notification a second of the Continuous Oximetry characteristic.

Source: andreasdri/nonin-3230-ble (length, status, counter, SpO2, pulse); Isansys' gateway for the 3150, which quotes the maker's table, and a decoder
written by Nonin's document 113142-000-02 Rev B agree with it, and with each other in what stands in bytes 2 to 4 and in status bits 1 and 4. Numbers
have the upper byte first; missing are SpO2 127 and pulse 511. The numbers are four-beat averages as displayed.

The scales of the battery's voltage and of the pulse amplitude index are taken from these clients; no device has shown them to us, so the index becomes
a value only with the option `unverified`. Nothing is ever written to the control point.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Self

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.bounds import or_marker, within
from device_drivers.driver import UNVERIFIED, Driver, Option, Transport, Verified
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import nonin
from device_drivers.sessions import (
    Bond,
    Command,
    Deliver,
    Event,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    SessionContext,
    SubscribeTo,
    ValueReceived,
)
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading, Reason, Value, measured_value, missing_value

SERVICE: Final = "46a970e0-0d5f-11e2-8b5e-0002a5d5c51b"
CONTINUOUS_OXIMETRY: Final = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"
CONTROL_POINT: Final = "1447af80-0d60-11e2-88b6-0002a5d5c51b"
NAMES: Final = ("Nonin3230_", "Nonin3150_")
LEAST_LENGTH: Final = 10
HIGHEST_PAI: Final = Decimal(20)
BOND: Final = Option(
    name="bond", default=False, text="pair before anything else, where the oximeter talks to bonded hosts alone"
)
_PAI_STEP: Final = Decimal("0.01")
_VOLTS_STEP: Final = Decimal("0.1")
_FLAGS: Final = {
    "weak_signal": 1 << 1,
    "smartpoint": 1 << 2,
    "searching": 1 << 3,
    "correct_check": 1 << 4,
    "low_battery": 1 << 5,
    "encrypted": 1 << 6,
}
"""Bits of the status; 0 and 7 are reserved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousOximetry:
    """One second in the oximeter's own words; a number that it does not have is None.

    `correct_check`: the sensor lies well on the finger. `pai` is the pulse amplitude index in %; `counter` counts seconds since it was switched on.
    """

    spo2: int | None
    pulse_rate: int | None
    pai: Decimal
    battery_volts: Decimal
    counter: int
    weak_signal: bool = False
    smartpoint: bool = False
    searching: bool = False
    correct_check: bool = False
    low_battery: bool = False
    encrypted: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 10 bytes; what follows is reserved. Raises Truncated, Malformed."""
        if len(data) < LEAST_LENGTH:
            raise Truncated(LEAST_LENGTH, len(data))
        if data[0] < LEAST_LENGTH:
            raise Malformed("wrong_length")
        if data[0] > len(data):
            raise Truncated(data[0], len(data))
        return cls(
            **{name: bool(data[1] & bit) for name, bit in _FLAGS.items()},
            battery_volts=data[2] * _VOLTS_STEP,
            pai=int.from_bytes(data[3:5]) * _PAI_STEP,
            counter=int.from_bytes(data[5:7]),
            spo2=nonin.spo2(data[7]),
            pulse_rate=nonin.heart_rate(int.from_bytes(data[8:10]) & 0x1FF),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that the bytes can't say."""
        status = sum(bit for name, bit in _FLAGS.items() if getattr(self, name))
        volts = _steps("battery_volts", self.battery_volts, _VOLTS_STEP, 0xFF)
        words = (_steps("pai", self.pai, _PAI_STEP, 0xFFFF), within("counter", self.counter, 0xFFFF))
        start = bytes((LEAST_LENGTH, status, volts)) + b"".join(word.to_bytes(2) for word in words)
        saturation = or_marker("spo2", self.spo2, nonin.NO_SPO2)
        return start + bytes((saturation,)) + or_marker("pulse_rate", self.pulse_rate, nonin.NO_HEART_RATE).to_bytes(2)

    @property
    def missing(self) -> Reason:
        """Why a number is missing."""
        if not self.correct_check:
            return Reason.NO_FINGER
        return Reason.SEARCHING if self.searching else Reason.NOT_MEASURED

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What puts the numbers in doubt."""
        said = (
            (Reason.IMPROPER_POSITION, not self.correct_check),
            (Reason.SEARCHING, self.searching),
            (Reason.WEAK_SIGNAL, self.weak_signal),
        )
        return tuple(reason for reason, holds in said if holds)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime, with_pai: bool) -> Reading:
        """The reading that is measured at `at`."""
        numbers = nonin.values(self.spo2, self.pulse_rate, missing=(self.missing,), doubts=self.doubts)
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=(*numbers, self._amplitude()) if with_pai else numbers,
            measured=at,
            received=at,
            raw=raw[:RAW_LIMIT],
        )

    def _amplitude(self) -> Value:
        if self.spo2 is None and self.pulse_rate is None:
            return missing_value(Parameter.PERFUSION_INDEX, self.missing)
        if self.pai > HIGHEST_PAI:
            return missing_value(Parameter.PERFUSION_INDEX, Reason.OUT_OF_RANGE)
        return measured_value(Parameter.PERFUSION_INDEX, self.pai, *self.doubts)


def _steps(name: str, number: Decimal, step: Decimal, most: int) -> int:
    steps = number / step
    if steps != steps.to_integral_value():
        raise ValueError(f"{name}: {number} is no multiple of {step}")
    return within(name, int(steps), most)


class Session:
    """Subscribes, reads the battery's level where there is one, and listens."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._low_battery: bool | None = None

    def handle(self, event: Event) -> list[Command]:
        match event:
            case LinkEstablished():
                return list(self._begin(event))
            case ValueReceived() if event.characteristic == CONTINUOUS_OXIMETRY:
                return self._measured(event)
            case ValueReceived(characteristic=uuids.BATTERY_LEVEL):
                return self._battery(event)
            case _:
                return []

    def _begin(self, event: LinkEstablished) -> Iterator[Command]:
        if self._context.options.get(BOND.name, BOND.default):
            yield Bond()
        yield SubscribeTo(characteristic=CONTINUOUS_OXIMETRY)
        if uuids.BATTERY_LEVEL in event.characteristics:
            yield ReadValue(characteristic=uuids.BATTERY_LEVEL)

    def _measured(self, event: ValueReceived) -> list[Command]:
        try:
            return list(self._said(event.at, event.data))
        except Undecodable as refusal:
            return [ReportRefused(at=event.at, reason=refusal.reason, discarded=len(event.data))]

    def _said(self, at: datetime, data: bytes) -> Iterator[Command]:
        said = ContinuousOximetry.from_bytes(data)
        if said.low_battery != self._low_battery:
            self._low_battery = said.low_battery
            yield ReportStatus(at=at, faults=(nonin.LOW_BATTERY,) if said.low_battery else ())
        with_pai = bool(self._context.options.get(UNVERIFIED.name, UNVERIFIED.default))
        yield Deliver(readings=(said.reading(self._context.device, raw=data, at=at, with_pai=with_pai),))

    def _battery(self, event: ValueReceived) -> list[Command]:
        if not event.data or event.data[0] > 100:
            return [ReportRefused(at=event.at, reason="battery_out_of_range", discarded=len(event.data))]
        faults = (nonin.LOW_BATTERY,) if self._low_battery else ()
        return [ReportStatus(at=event.at, battery_percent=event.data[0], faults=faults)]


def _describe(data: bytes) -> Parts:
    said, parts = ContinuousOximetry.from_bytes(data), Parts(data)
    status = tuple((name.replace("_", " "), getattr(said, name)) for name in _FLAGS)
    parts.add(1, "length", f"{data[0]} bytes")
    parts.add(1, "status", in_words(status, none="nothing set"), *_FLAGS)
    parts.add(1, "battery_volts", f"{said.battery_volts} V (scale unverified)")
    parts.add(2, "pai", f"{said.pai} % (scale unverified)")
    parts.add(2, "counter", f"{said.counter} s since it was switched on")
    parts.add(1, "spo2", nonin.spo2_in_words(said.spo2))
    parts.add(2, "pulse_rate", nonin.rate_in_words(said.pulse_rate))
    parts.rest("reserved", "reserved for what comes later")
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="nonin-ble",
        title="Nonin Continuous Oximetry (3230, 3150 BLE)",
        source="andreasdri/nonin-3230-ble; clients that follow Nonin 113142-000-02 Rev B",
        message=ContinuousOximetry,
        decode=ContinuousOximetry.from_bytes,
        encode=bytes,
        describe=_describe,
        characteristic=CONTINUOUS_OXIMETRY,
        unverified=("the scale of the pulse amplitude index", "the scale of the battery's voltage"),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="nonin-ble",
        title="Nonin 3230 and WristOx2 3150 BLE pulse oximeter",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("nonin-ble",),
        measures=(*nonin.MEASURES, Parameter.PERFUSION_INDEX),
        marks=(Marks(names=NAMES), Marks(services=frozenset({SERVICE}))),
        session=Session,
        verified=(Verified.SECOND_SOURCE,),
        stale_after_seconds=10,
        options=(BOND,),
        missing="plethysmogram, pulse intervals, device status and memory of the 3150 BLE; ending a measurement on the 3230",
        unverified=("the pulse amplitude index, as a perfusion index",),
    ),
)
