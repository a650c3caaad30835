"""SunTech Advantage OEM modules: the cuff that is built into other makers' monitors. Frames are in `suntech_frames`.

The module is silent until asked. It is asked for the cuff's pressure once a second; when that has been up and is down again, for the result. A result
carries neither time nor number, and the module repeats its last one for as long as it lives: the same bytes count as another measurement only where the
cuff was seen to inflate, and not until the module has had the time to put a new result in the old one's place. A result that is there when a
connection begins, and wasn't at the last one's end, may be of any time between: it is recorded with an uncertain time.

The cuff is inflated only with the option `inflate_every_minutes`: a whole period after the connection began and after the last measurement, whoever started it,
so that a line that comes and goes inflates no more often; never while anything is unclear, and not again after the module has said that its hardware fails. A
measurement that was started here and isn't over after three minutes is aborted (IEC 80601-2-30 lets a cuff squeeze an adult's arm no longer). These times are
counted in ticks of a second, for a clock that is set must neither start a measurement nor keep one from its end.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from device_drivers.cuffs import suntech_frames as frames
from device_drivers.cuffs.suntech_frames import Acknowledgement, CuffPressure, HostCommand, Result
from device_drivers.driver import INFLATE, Driver, Option, SerialSettings, Transport, Verified
from device_drivers.format import AnyFormat, Format
from device_drivers.sessions import (
    Command,
    CommandRefused,
    Deliver,
    Inflate,
    LinkEstablished,
    ReportStatus,
    SendBytes,
    SessionContext,
)
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

INFLATED: Final = 20
"""mmHg. A cuff that rests has a few at most; one that measures has more until it is done."""
SETTLES: Final = timedelta(seconds=5)
"""So long after the cuff went down a result that was seen before is taken for the old one, which the module has not replaced yet."""
LOOK_AGAIN: Final = timedelta(seconds=10)
"""A result is asked for so often also where the cuff was not seen to inflate."""
ANSWERS_WITHIN: Final = 3
LONGEST_RUN: Final = 180
"""Ticks, as the next."""

_REASONS: Final[Mapping[int, Reason]] = MappingProxyType(
    {
        1: Reason.WEAK_SIGNAL,
        2: Reason.ARTIFACT,
        85: Reason.SENSOR_FAULT,
        86: Reason.NOT_MEASURED,
        87: Reason.CUFF_LOOSE,
        88: Reason.SENSOR_FAULT,
        89: Reason.SENSOR_FAULT,
        90: Reason.SENSOR_FAULT,
        91: Reason.SENSOR_FAULT,
        97: Reason.SENSOR_FAULT,
        99: Reason.SENSOR_FAULT,
    }
)
_HARDWARE: Final[Mapping[int, str]] = MappingProxyType(
    {
        85: "pneumatic_blockage",
        88: "safety_timeout",
        89: "cuff_overpressure",
        90: "hardware_fault",
        91: "not_permitted",
        97: "transducer_out_of_range",
        99: "calibration_lost",
    }
)
"""Errors after which nobody but a person starts another measurement."""
_ANSWERED: Final[Mapping[str, str]] = MappingProxyType({"E": "module_error", "S": "module_asleep"})
_REFUSALS: Final = frozenset({"B", "E", "S"})
"""So the module answers a start that it does not carry out."""


def reason_of(result: Result) -> Reason:
    """Why a result has no blood pressure."""
    return _REASONS.get(result.error_code, Reason.MEASUREMENT_FAILED)


def reading(result: Result, device: DeviceKey, *, raw: bytes, at: datetime, uncertain: bool) -> Reading:
    """The reading of a result that came `at`; `uncertain`: nobody knows how old it is."""
    return Reading(
        data_type=Vital.BLOOD_PRESSURE,
        device=device,
        values=tuple(_values(result)),
        measured=at,
        received=at,
        raw=raw,
        stored=uncertain,
        time_uncertain=uncertain,
    )


def _values(result: Result) -> Iterator[Value]:
    numbers = (
        (Parameter.SYSTOLIC, result.systolic, Reason.MEASUREMENT_FAILED),
        (Parameter.DIASTOLIC, result.diastolic, Reason.MEASUREMENT_FAILED),
        (Parameter.MEAN, result.mean, Reason.NOT_MEASURED),
        (Parameter.CUFF_PULSE_RATE, result.pulse_rate, Reason.MEASUREMENT_FAILED),
    )
    for parameter, number, without in numbers:
        if not result.measured:
            yield missing_value(parameter, reason_of(result))
        elif number is None:
            yield missing_value(parameter, without)
        else:
            yield measured_value(parameter, number)


class Session(StreamSession):
    """One connection; `memory` holds the last result's bytes. `_rested`, `_silent` and `_running` count ticks: since the cuff was last up or begun to be inflated,
    since the module last spoke, and of the measurement that was started here (None: there is none)."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, frames.measure)
        self._period = 60 * int(context.options.get(INFLATE, 0))
        self._rested = 0
        self._silent = ANSWERS_WITHIN
        self._running: int | None = None
        self._asked: datetime | None = None
        self._inflated = False
        self._ran = False
        self._wanted = True
        self._looked = False
        self._settled: datetime | None = None
        self._lay_there: str | None = None
        self._hardware_failed = False
        self._faults: tuple[str, ...] = ()

    def begin(self, event: LinkEstablished) -> Iterator[Command]:
        yield SendBytes(data=frames.SEND_PRESSURE)

    def tick(self, at: datetime) -> Iterator[Command]:
        """One question a second, or the one thing that is more urgent."""
        self._count()
        if self._running is not None and self._running >= LONGEST_RUN:
            self._running = None
            yield SendBytes(data=frames.ABORT)
        elif self._may_inflate:
            self._rested = self._running = 0
            yield Inflate(command=SendBytes(data=frames.START_ADULT))
        elif self._asks_for_result(at):
            self._asked = at
            yield SendBytes(data=frames.SEND_RESULT)
        else:
            yield SendBytes(data=frames.SEND_PRESSURE)

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        frame = frames.decode(data)
        self._silent = 0
        match frame:
            case Acknowledgement(ack=letter):
                yield from self._acknowledged(at, letter)
            case CuffPressure(cuff_pressure=pressure):
                yield from self._report(at, *self._lasting)
                self._pressed(at, pressure)
            case Result():
                yield from self._resulted(at, frame, data)

    def refused(self, event: CommandRefused) -> Iterator[Command]:
        """A start that was not carried out is no measurement to wait for."""
        if isinstance(event.command, Inflate) or event.command == SendBytes(data=frames.START_ADULT):
            self._running = None
        return iter(())

    def _count(self) -> None:
        self._rested += 1
        self._silent += 1
        if self._running is not None:
            self._running += 1

    @property
    def _may_inflate(self) -> bool:
        if not self._period or self._rested < self._period or self._running is not None:
            return False
        unclear = self._silent > ANSWERS_WITHIN or self._inflated or self._ran or self._wanted
        return not unclear and not self._hardware_failed

    def _asks_for_result(self, at: datetime) -> bool:
        """Not while it measures: the module is busy then. Every other time at most, so that the pressure is seen meanwhile."""
        measures = self._inflated or (self._running is not None and not self._ran)
        if measures or (self._asked is not None and at - self._asked < timedelta(seconds=1.5)):
            return False
        return self._wanted or self._asked is None or at - self._asked >= LOOK_AGAIN

    def _acknowledged(self, at: datetime, letter: str) -> Iterator[Command]:
        if letter == "K" and self._running is not None:
            self._ended(at)
        if letter in _REFUSALS and self._running is not None and self._running <= ANSWERS_WITHIN:
            self._running = None
        if letter in _ANSWERED:
            yield from self._report(at, *self._lasting, _ANSWERED[letter])

    def _pressed(self, at: datetime, pressure: int) -> None:
        if pressure >= INFLATED:
            self._inflated = True
            self._rested = 0
        elif self._inflated:
            self._inflated = False
            self._ended(at)

    def _ended(self, at: datetime) -> None:
        self._ran = self._wanted = True
        self._settled = at + SETTLES

    def _resulted(self, at: datetime, result: Result, data: bytes) -> Iterator[Command]:
        known = self.context.memory.get("result")
        if self._settled is not None and at < self._settled and self._is_old(known, data.hex()):
            return
        fresh = self._ran or data.hex() != known
        uncertain = not (self._looked or self._ran)
        self._looked = True
        if self._ran:
            self._running = None
        self._ran = self._wanted = False
        self._settled = self._lay_there = None
        self.context.memory["result"] = data.hex()
        if fresh and not (uncertain and result.empty):
            yield Deliver(readings=(reading(result, self.context.device, raw=data, at=at, uncertain=uncertain),))
        self._hardware_failed = result.error_code in _HARDWARE
        yield from self._report(at, *((_HARDWARE[result.error_code],) if self._hardware_failed else ()))

    def _is_old(self, known: str | None, said: str) -> bool:
        """Whether a result may be the one from before. Where none is known the first that is said may be: it is not remembered, for nothing was delivered."""
        if known is None and self._lay_there is None:
            self._lay_there = said
        return said in (known, self._lay_there)

    @property
    def _lasting(self) -> tuple[str, ...]:
        """The faults that only another measurement ends."""
        return tuple(fault for fault in self._faults if fault in _HARDWARE.values())

    def _report(self, at: datetime, *faults: str) -> Iterator[Command]:
        if faults != self._faults:
            self._faults = faults
            yield ReportStatus(at=at, faults=faults)


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="suntech",
        title="SunTech Advantage OEM, frame of the module",
        source="ak-git/DesktopFX, NIBPConverterTest; SunTech Advantage OEM Operations Manual Rev K, p. 55, as cited by JanuityUI (error codes)",
        message=Result,
        decode=frames.decode,
        encode=bytes,
        describe=frames.describe,
        measure=frames.measure,
        from_fields=frames.frame_from,
    ),
    Format(
        key="suntech-cmd",
        title="SunTech Advantage OEM, command of the host",
        source="JanuityUI, BloodPressure.cs; ak-git/DesktopFX, NIBPRequest",
        message=HostCommand,
        decode=HostCommand.from_bytes,
        encode=bytes,
        describe=frames.describe_command,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="suntech-advantage",
        title="SunTech Advantage OEM blood pressure module",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        formats=("suntech", "suntech-cmd"),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        session=Session,
        verified=(Verified.SECOND_SOURCE,),
        stale_after_seconds=10,
        options=(
            Option(
                name=INFLATE,
                default=0,
                low=0,
                high=240,
                text="inflate the cuff of an adult so often, in minutes, and measure; 0 never does",
            ),
        ),
        missing="starting a measurement of a child or a newborn; the initial pressure is what the module was set to",
    ),
)
