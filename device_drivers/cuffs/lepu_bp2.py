"""Viatom's cuffs BP2, BP2A, BP2T, BP2W and LP-BP2W: messages.

Sources: Viatom's LepuBle (Bp2BleRtData.kt, Bp2BleRtState.kt, Bp2DataBpIng.kt, Bp2DataBpResult.kt) and LepuDemo (Bp2Activity.kt, LpBp2wActivity.kt), the vendor's own
code; chalimov/viatom_bp2_ha, LP-BP2W_PROTOCOL.md, with what a device did. They disagree on the answer to 0x08. By the vendor it is the device's state, what it
measures, 20 bytes of that and the length of a waveform, which makes the 32 bytes that chalimov saw; by chalimov's layout, which has the vendor's numbers at
offsets that they have within those 20 bytes, it begins with what is measured. The length tells which of the two a frame can be.

Commands that inflate, erase, reset or switch off are not among `COMMANDS`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

from device_drivers.cuffs.pressures import pressure_values
from device_drivers.driver import Driver
from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import named
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.oximeters import lepu_frames
from device_drivers.oximeters.lepu_frames import ANSWER, REQUEST, ClockSetting, DeviceInfo, Head, Message
from device_drivers.oximeters.viatom_frames import Data, Envelope, little
from vitals.parameters import Parameter
from vitals.readings import Reason, Value, measured_value, missing_value

GET_CONFIG: Final = 0x00
STATE: Final = 0x06
REAL_TIME: Final = 0x08
BATTERY: Final = 0x30
INFO: Final = 0xE1
SET_TIME: Final = 0xEC
FILE_LIST: Final = 0xF1
FILE_OPEN: Final = 0xF2
FILE_READ: Final = 0xF3
FILE_CLOSE: Final = 0xF4
COMMANDS: Final = {
    GET_CONFIG: "get configuration",
    STATE: "state",
    REAL_TIME: "live data",
    BATTERY: "battery",
    INFO: "information",
    SET_TIME: "set the clock",
    FILE_LIST: "list of files",
    FILE_OPEN: "open a file",
    FILE_READ: "read a file",
    FILE_CLOSE: "close the file",
}
MEASURING: Final = 0
MEASURED: Final = 1
_PHASES: Final = {
    MEASURING: "measuring a pressure",
    MEASURED: "a pressure is measured",
    2: "recording an ECG",
    3: "an ECG is recorded",
}
LOW_BATTERY: Final = 3
READY: Final = 3
MEASURING_PRESSURE: Final = 4
SHOWING_RESULT: Final = 5
RESULT_STATES: Final = frozenset({SHOWING_RESULT, 17})
BUSY_STATES: Final = frozenset({MEASURING_PRESSURE, 15, 16})
_STATES: Final = {
    0: "asleep",
    1: "showing stored measurements",
    2: "charging",
    3: "ready",
    4: "measuring",
    5: "showing a result",
    6: "recording an ECG",
    7: "showing an ECG",
    15: "measuring, one of three",
    16: "resting, between two of three",
    17: "showing the mean of three",
}
ABSURD_PRESSURE: Final = 1000
"""mmHg. Beyond it the bytes are no pressure at all, but another layout."""
_ERRORS: Final = {1: Reason.CUFF_LOOSE, 2: Reason.MOTION, 3: Reason.WEAK_SIGNAL}
_ERRORS_IN_WORDS: Final = {
    0: "normal",
    1: "cannot analyse: cuff too loose, slow to inflate, or leaking",
    2: "waveform disturbed by movement",
    3: "weak signal, no pulse found",
}
_VENDORS: Final = 32
"""Bytes of the vendor's layout, without a waveform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """State, charge and number of the measurement (of three), in the vendor's layout alone."""

    state: int
    millivolts: int = 0
    average_number: int = 0
    wait_seconds: int = 0

    SIZE = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTime:
    """Answer to 0x08, or sent unasked while it measures. `phase` says which numbers there are: 0 `cuff_pressure`, 1 the result, 2 and 3
    none, but an electrocardiogram. `error` is 0 for a result that holds;
    `status` None in the layout that chalimov describes, which carries no more."""

    phase: int
    battery_state: int = 0
    battery: int = 0
    status: Status | None = None
    cuff_pressure: int | None = None
    systolic: int | None = None
    diastolic: int | None = None
    mean: int | None = named("map", default=None)
    pulse_rate: int | None = None
    deflating: bool | None = None
    error: int | None = None

    SHORTEST = 5
    SHORT_RESULT = 11

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) >= _VENDORS:
            return cls._vendors(data)
        if len(data) < cls.SHORTEST:
            raise Truncated(cls.SHORTEST, len(data))
        charge: dict[str, Any] = {"battery_state": data[1], "battery": data[2]}
        if data[0] == MEASURED:
            if len(data) < cls.SHORT_RESULT:
                raise Truncated(cls.SHORT_RESULT, len(data))
            return cls(phase=MEASURED, **charge, **_result(data[3:11]))
        return cls(phase=data[0], **charge, cuff_pressure=_word(data[3:5]) if data[0] == MEASURING else None)

    @classmethod
    def _vendors(cls, data: bytes) -> Self:
        status = Status(state=data[0], millivolts=_word(data[3:5]), average_number=data[5], wait_seconds=data[6])
        head: dict[str, Any] = {"phase": data[9], "battery_state": data[1], "battery": data[2]}
        match data[9]:
            case 0:
                pressure = _word(data[11:13]) // 100
                return cls(
                    **head,
                    status=status,
                    cuff_pressure=pressure,
                    pulse_rate=_word(data[14:16]),
                    deflating=data[16] == 1,
                )
            case 1:
                return cls(**head, status=status, **_result(data[13:21]), deflating=data[10] == 1, error=data[21])
        return cls(**head, status=status)

    def __bytes__(self) -> bytes:
        charge = bytes((self.battery_state, self.battery))
        if self.status is None:
            return (
                bytes((self.phase,))
                + charge
                + (self._result_said() if self.phase == MEASURED else little(self.cuff_pressure or 0, 2))
            )
        status = little(self.status.millivolts, 2) + bytes((self.status.average_number, self.status.wait_seconds, 0, 0))
        return (
            bytes((self.status.state,)) + charge + status + bytes((self.phase,)) + self._numbers_said().ljust(22, b"\0")
        )

    def _numbers_said(self) -> bytes:
        deflating = bytes((bool(self.deflating),))
        match self.phase:
            case 0:
                return (
                    b"\0"
                    + little((self.cuff_pressure or 0) * 100, 2)
                    + b"\0"
                    + little(self.pulse_rate or 0, 2)
                    + deflating
                )
            case 1:
                return deflating + bytes(2) + self._result_said() + bytes((self.error or 0,))
        return b""

    def _result_said(self) -> bytes:
        return b"".join(
            little(number or 0, 2) for number in (self.systolic, self.diastolic, self.mean, self.pulse_rate)
        )

    @property
    def is_result(self) -> bool:
        """Whether a measurement is over, and this is what it found. The vendor's layout repeats the last one in other states, too."""
        return self.phase == MEASURED and (self.status is None or self.status.state in RESULT_STATES)

    @property
    def values(self) -> tuple[Value, ...]:
        """Ours. Raises Malformed where the pressures are absurd."""
        numbers = (self.systolic, self.diastolic, self.mean)
        if any((number or 0) >= ABSURD_PRESSURE for number in numbers):
            raise Malformed("absurd_pressure")
        if self.error:
            return all_values(
                None, None, None, None, *(reason for code, reason in _ERRORS.items() if code == self.error)
            )
        return all_values(*numbers, self.pulse_rate)

    def explain(self, parts: Parts, size: int) -> None:
        if self.status is None:
            return self._explain_short(parts)
        parts.add(1, "state", _STATES.get(self.status.state, f"unknown: {self.status.state}"), "status")
        self._explain_charge(parts)
        parts.add(2, "voltage", f"{self.status.millivolts} mV", "status")
        parts.add(1, "average number", f"{self.status.average_number} of three, from 0", "status")
        parts.add(1, "wait", f"{self.status.wait_seconds} s", "status")
        parts.add(2, "reserved", "reserved")
        parts.add(1, "phase", _PHASES.get(self.phase, f"unknown: {self.phase}"), "phase")
        self._explain_numbers(parts)
        return None

    def _explain_charge(self, parts: Parts) -> None:
        states = {0: "discharging", 1: "charging", 2: "charged", 3: "low"}
        parts.add(1, "battery_state", states.get(self.battery_state, f"unknown: {self.battery_state}"))
        parts.add(1, "battery", f"{self.battery} %")

    def _explain_short(self, parts: Parts) -> None:
        parts.add(1, "phase", _PHASES.get(self.phase, f"unknown: {self.phase}"), "phase")
        self._explain_charge(parts)
        if self.phase == MEASURED:
            self._explain_result(parts)
        else:
            parts.add(2, "cuff_pressure", f"{self.cuff_pressure} mmHg")

    def _explain_numbers(self, parts: Parts) -> None:
        match self.phase:
            case 0:
                parts.add(1, "unknown", "not known")
                parts.add(2, "cuff_pressure", f"{self.cuff_pressure} mmHg, in 0.01 mmHg")
                parts.add(1, "pulse wave", "0: a wave of the pulse")
                parts.add(2, "pulse_rate", self.pulse_rate)
                parts.add(1, "deflating", self.deflating)
            case 1:
                parts.add(1, "deflating", self.deflating)
                parts.add(2, "pressure", "of the cuff now")
                self._explain_result(parts)
                parts.add(1, "error", _ERRORS_IN_WORDS.get(self.error or 0, f"fault of the device: {self.error}"))

    def _explain_result(self, parts: Parts) -> None:
        parts.add(2, "systolic", f"{self.systolic} mmHg")
        parts.add(2, "diastolic", f"{self.diastolic} mmHg")
        parts.add(2, "map", f"{self.mean} mmHg")
        parts.add(2, "pulse_rate", f"{self.pulse_rate} /min")


def all_values(
    systolic: int | None, diastolic: int | None, mean: int | None, pulse_rate: int | None, *reasons: Reason
) -> tuple[Value, ...]:
    """Pressures, mean and pulse; what is None or 0 was not found."""
    upper, lower, pulse = pressure_values(systolic, diastolic, pulse_rate, *reasons)
    if not mean:
        return upper, lower, missing_value(Parameter.MEAN, Reason.MEASUREMENT_FAILED, *reasons), pulse
    return upper, lower, measured_value(Parameter.MEAN, mean, *reasons), pulse


def _word(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _result(data: bytes) -> dict[str, Any]:
    """Systolic, diastolic, mean and pulse from eight bytes; zeros are None."""
    names = ("systolic", "diastolic", "mean", "pulse_rate")
    return {name: _word(data[2 * place : 2 * place + 2]) or None for place, name in enumerate(names)}


CONTENTS: Final[lepu_frames.Contents] = {
    (REAL_TIME, ANSWER): RealTime,
    (INFO, ANSWER): DeviceInfo,
    (SET_TIME, REQUEST): ClockSetting,
}
ENVELOPE: Final = Envelope(
    whole=Message, head=Head, contents={"real_time": RealTime, "info": DeviceInfo, "clock": ClockSetting, "data": Data}
)


def decode(frame: bytes) -> Message:
    """Raises Truncated, Malformed."""
    return Message.of(frame, CONTENTS, COMMANDS)


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="lepu-bp2",
        title="Viatom BP2, BP2A, BP2W, LP-BP2W",
        source="Viatom LepuBle, Bp2BleRtData.kt and Bp2BleCmd.java; chalimov/viatom_bp2_ha, LP-BP2W_PROTOCOL.md, sections 3, 4 and 10",
        message=Message,
        decode=decode,
        encode=partial(lepu_frames.checked, names=COMMANDS),
        describe=partial(lepu_frames.describe, contents=CONTENTS, envelope=ENVELOPE, names=COMMANDS),
        measure=lepu_frames.MEASURE,
        fields=ENVELOPE.fields,
        from_fields=ENVELOPE.message_from,
        unverified=("answers to 0x08 that are shorter than 32 bytes",),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
