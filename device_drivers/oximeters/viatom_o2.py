"""Requests and answers of Viatom's older rings and wrist oximeters: O2Ring, Checkme O2, SleepO2, WearO2, KidsO2, Oxylink and their like.

Sources: Viatom's LepuBle (OxyBleCmd.java, OxyBleResponse.kt: the vendor's own code), ecostech/viatom-ble, MackeyStingray/o2r,
home-health-hub/viatom-o2ring-ble. An answer does not say which request it answers: what it is shows in its form. SpO2 and pulse are 0 while the ring is
worn and still calibrating, all ones without a finger. What resets the device is not among `Command`.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, unique
from typing import Final, Self, TypeAlias

from device_drivers.driver import Driver
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.oximeters.viatom_frames import (
    HEADER_LENGTH,
    Content,
    Data,
    Envelope,
    explain_rest,
    little,
    measure_of,
    packed,
    received_crc,
    unpacked,
)
from device_drivers.oximeters.viatom_info import Info
from vitals.parameters import Parameter
from vitals.readings import Reason, Value, measured_value, missing_value

REQUEST_LEAD: Final = 0xAA
RESPONSE_LEAD: Final = 0x55
NO_SPO2: Final = 0xFF
NO_PULSE: Final = 0xFFFF
WAVE_FILLERS: Final = frozenset({156, 246})
"""Samples that are none: the vendor's application draws the mean of their neighbours instead (LepuBle, OxyBleResponse.kt, RtWave)."""
PERFUSION_SCALE: Final = Decimal("0.1")
"""% a unit of the perfusion index; unverified."""
_CHARGING: Final = {0: "not charging", 1: "charging", 2: "charged"}


@unique
class Command(IntEnum):
    """What is asked of the device."""

    FILE_OPEN = 0x03
    FILE_READ = 0x04
    FILE_CLOSE = 0x05
    INFO = 0x14
    PING = 0x15
    CONFIGURE = 0x16
    SENSORS = 0x17
    REAL_TIME = 0x1B


_COMMANDS: Final = frozenset(Command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`block` is the number of a file's block."""

    cmd: int
    block: int = 0
    data: bytes = b""
    crc: int | None = received_crc()

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode a command of the table: there are others, which reset the device. Raises Truncated, Malformed."""
        cmd, block, data = unpacked(REQUEST_LEAD, frame)
        if cmd not in _COMMANDS:
            raise Malformed("unknown_command")
        return cls(cmd=cmd, block=int.from_bytes(block, "little"), data=data, crc=frame[HEADER_LENGTH + len(data)])

    def __bytes__(self) -> bytes:
        return packed(REQUEST_LEAD, self.cmd, little(self.block, 2), self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """Answer to 0x17 (RtParam). `perfusion` is in the device's own unit, `motion` the length of the acceleration, `state` another than 0 and 1,
    `countdown` the seconds until it stops after the finger has left; `alarms` are four states of two bits, which older firmware leaves out."""

    spo2: int | None
    pulse_rate: int | None
    steps: int = 0
    battery: int = 0
    charging: int = 0
    motion: int = 0
    perfusion: int = 0
    worn: bool = True
    state: int | None = None
    countdown: int = 0
    alarms: int | None = None

    SIZE = 12

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) < cls.SIZE:
            raise Truncated(cls.SIZE, len(data))
        spo2, pulse = _numbers(data)
        return cls(
            spo2=spo2,
            pulse_rate=pulse,
            steps=int.from_bytes(data[3:7], "little"),
            battery=data[7],
            charging=data[8],
            motion=data[9],
            perfusion=data[10],
            worn=bool(data[11] & 1),
            state=data[11] & 0x0F if data[11] & 0x0E else None,
            countdown=data[11] >> 4,
            alarms=data[12] if len(data) > cls.SIZE else None,
        )

    def __bytes__(self) -> bytes:
        state = int(self.worn) if self.state is None else self.state
        rest = bytes((self.battery, self.charging, self.motion, self.perfusion, self.countdown << 4 | state))
        alarms = b"" if self.alarms is None else bytes((self.alarms,))
        return _numbers_said(self.spo2, self.pulse_rate, worn=self.worn) + little(self.steps, 4) + rest + alarms

    def explain(self, parts: Parts, size: int) -> None:
        _explain_numbers(parts, self.spo2, self.pulse_rate)
        parts.add(4, "steps", self.steps)
        parts.add(1, "battery", f"{self.battery} %")
        parts.add(1, "charging", _CHARGING.get(self.charging, f"unknown: {self.charging}"))
        parts.add(1, "motion", f"{self.motion}, length of the acceleration")
        parts.add(1, "perfusion", f"{self.perfusion}, unverified: in 0.1 %")
        worn = "worn" if self.worn else "not worn"
        state = "" if self.state is None else f", unknown state {self.state}"
        parts.add(1, "state", f"{worn}{state}; {self.countdown} s left", "worn", "state", "countdown")
        if self.alarms is not None:
            parts.add(1, "alarms", _alarms_in_words(self.alarms))


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTime:
    """Answer to 0x1B (RtWave): numbers, and the samples since it was asked before. `worn` is a state of 1; `state` is another than 0 and 1."""

    spo2: int | None
    pulse_rate: int | None
    battery: int = 0
    charging: int = 0
    perfusion: int = 0
    worn: bool = True
    state: int | None = None
    wave_len: int = 0
    wave: tuple[int, ...] = ()

    SIZE = 12

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) < cls.SIZE:
            raise Truncated(cls.SIZE, len(data))
        size = int.from_bytes(data[10:12], "little")
        if len(data) < cls.SIZE + size:
            raise Truncated(cls.SIZE + size, len(data))
        spo2, pulse = _numbers(data)
        return cls(
            spo2=spo2,
            pulse_rate=pulse,
            battery=data[3],
            charging=data[4],
            perfusion=data[5],
            worn=data[6] == 1,
            state=data[6] if data[6] > 1 else None,
            wave_len=size,
            wave=tuple(data[cls.SIZE : cls.SIZE + size]),
        )

    def __bytes__(self) -> bytes:
        if self.wave_len != len(self.wave):
            raise ValueError(f"wave_len: there are {len(self.wave)} samples")
        state = int(self.worn) if self.state is None else self.state
        rest = bytes((self.battery, self.charging, self.perfusion, state, 0, 0, 0))
        numbers = _numbers_said(self.spo2, self.pulse_rate, worn=self.worn)
        return numbers + rest + little(self.wave_len, 2) + bytes(self.wave)

    def explain(self, parts: Parts, size: int) -> None:
        _explain_numbers(parts, self.spo2, self.pulse_rate)
        parts.add(1, "battery", f"{self.battery} %")
        parts.add(1, "charging", _CHARGING.get(self.charging, f"unknown: {self.charging}"))
        parts.add(1, "perfusion", f"{self.perfusion}, unverified: in 0.1 %; 0 where the firmware has none")
        state = "" if self.state is None else f": unknown state {self.state}"
        parts.add(1, "state", f"{'worn' if self.worn else 'not worn'}{state}", "worn", "state")
        parts.add(3, "reserved", "reserved")
        parts.add(2, "wave_len", f"{self.wave_len} samples", "wave_len", "wave")
        parts.add(self.wave_len, "wave", "plethysmogram upside down; 156 and 246 are no samples")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    status: int = 0
    block: int = 0
    crc: int | None = received_crc()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(_Head):
    """An answer; `status` is 0 where the request was carried out, `block` the number of a file's block."""

    content: Content

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode; what the content is shows in its form alone. Raises Truncated, Malformed."""
        status, block, data = unpacked(RESPONSE_LEAD, frame)
        crc = frame[HEADER_LENGTH + len(data)]
        return cls(status=status, block=int.from_bytes(block, "little"), crc=crc, content=content_of(data))

    def __bytes__(self) -> bytes:
        return packed(RESPONSE_LEAD, self.status, little(self.block, 2), bytes(self.content))


O2Content: TypeAlias = Sensors | RealTime | Info | Data
CONTENTS: Final[dict[str, type[Content]]] = {"sensors": Sensors, "real_time": RealTime, "info": Info, "data": Data}


def content_of(data: bytes) -> O2Content:
    """What an answer holds, by its form: a JSON object, 12 or 13 bytes of numbers, numbers with the samples that they promise, or something else."""
    if data[:1] == b"{":
        return _info_or_data(data)
    if len(data) < Sensors.SIZE:
        return Data(data=data)
    promised = int.from_bytes(data[10:12], "little") == len(data) - RealTime.SIZE
    if promised and (
        len(data) > Sensors.SIZE + 1 or not any(data[7:10])
    ):  # else these are battery, charging and motion of 0x17
        return RealTime.from_data(data)
    return Sensors.from_data(data) if len(data) <= Sensors.SIZE + 1 else Data(data=data)


def _info_or_data(data: bytes) -> Info | Data:
    try:
        return Info.from_data(data)
    except Malformed:
        return Data(data=data)


def _numbers(data: bytes) -> tuple[int | None, int | None]:
    """SpO2 and pulse from three bytes; all zeros and all ones are none. A pulse of 255 is none where the saturation is none, too."""
    spo2, pulse = data[0], int.from_bytes(data[1:3], "little")
    absent = pulse in (0, NO_PULSE) or (spo2 in (0, NO_SPO2) and pulse == NO_SPO2)
    return None if spo2 in (0, NO_SPO2) else spo2, None if absent else pulse


def _numbers_said(spo2: int | None, pulse: int | None, *, worn: bool) -> bytes:
    """The three bytes: none is all zeros while the ring is worn, else all ones."""
    first = (0 if worn else NO_SPO2) if spo2 is None else spo2
    second = (0 if worn else NO_PULSE) if pulse is None else pulse
    return bytes((first,)) + little(second, 2)


def _explain_numbers(parts: Parts, spo2: int | None, pulse: int | None) -> None:
    parts.add(1, "spo2", "none (0: calibrating, 255: no finger)" if spo2 is None else f"{spo2} %")
    parts.add(2, "pulse_rate", "none (0: calibrating, all ones: no finger)" if pulse is None else f"{pulse} /min")


def _alarms_in_words(alarms: int) -> str:
    """Two bits each: 0 none, 1 raised, 2 raised without a sound."""
    names = ("no value", "SpO2", "pulse", "motion")
    raised = [f"{name} {alarms >> 2 * place & 3}" for place, name in enumerate(names) if alarms >> 2 * place & 3]
    return ", ".join(raised) or "none"


def values(content: Sensors | RealTime, *, unverified: bool) -> tuple[Value, ...]:
    """Ours: saturation and pulse, and the perfusion index where its unverified scale is to be used."""
    missing = Reason.SEARCHING if content.worn else Reason.NO_FINGER
    numbers = [(Parameter.SPO2, content.spo2), (Parameter.OXIMETER_PULSE_RATE, content.pulse_rate)]
    found = [
        missing_value(parameter, missing) if number is None or not content.worn else measured_value(parameter, number)
        for parameter, number in numbers
    ]
    if unverified and content.worn and content.perfusion:
        found.append(measured_value(Parameter.PERFUSION_INDEX, content.perfusion * PERFUSION_SCALE))
    return tuple(found)


ENVELOPE: Final = Envelope(whole=Response, head=_Head, contents=CONTENTS)


def _describe_response(frame: bytes) -> Parts:
    response, parts = Response.from_bytes(frame), Parts(frame)
    size = int.from_bytes(frame[5:7], "little")
    parts.add(1, "lead", "an answer")
    parts.add(1, "status", "carried out" if response.status == 0 else f"refused: {response.status}")
    parts.add(1, "complement", "of the status")
    parts.add(2, "block", response.block)
    parts.add(2, "length", f"{size} bytes: {ENVELOPE.kind_of(response.content)}", "kind", "data")
    explain_rest(parts, response.content, size, frame[HEADER_LENGTH + size])
    return parts


def _describe_request(frame: bytes) -> Parts:
    request, parts = Request.from_bytes(frame), Parts(frame)
    parts.add(1, "lead", "a request")
    parts.add(1, "cmd", Command(request.cmd).name.lower())
    parts.add(1, "complement", "of the command")
    parts.add(2, "block", request.block)
    parts.add(2, "length", f"{len(request.data)} bytes", "length", "data")
    explain_rest(parts, Data(data=request.data), len(request.data), frame[HEADER_LENGTH + len(request.data)])
    return parts


def _encode_request(request: Request) -> bytes:
    """Raises ValueError for a command that isn't in the table: there are some that reset the device."""
    if request.cmd not in _COMMANDS:
        raise ValueError(f"cmd: {request.cmd} is none of {', '.join(str(int(command)) for command in Command)}")
    return bytes(request)


MEASURE: Final = measure_of(RESPONSE_LEAD)
_SOURCE: Final = "Viatom LepuBle, OxyBleResponse.kt and OxyBleCmd.java; home-health-hub/viatom-o2ring-ble; a capture (codepudding.com 240193)"
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="viatom-o2",
        title="Viatom O2Ring (older), answers",
        source=_SOURCE,
        message=Response,
        decode=Response.from_bytes,
        encode=bytes,
        describe=_describe_response,
        measure=MEASURE,
        fields=ENVELOPE.fields,
        from_fields=ENVELOPE.message_from,
        unverified=("the perfusion index's unit of 0.1 %",),
    ),
    Format(
        key="viatom-cmd",
        title="Viatom O2Ring (older), requests",
        source=_SOURCE,
        message=Request,
        decode=Request.from_bytes,
        encode=_encode_request,
        describe=_describe_request,
        measure=measure_of(REQUEST_LEAD),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
