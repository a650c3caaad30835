"""Wellue O2Ring-S and its like (Viatom's "OxyII" protocol): messages.

Source: nglessner/o2ring-s-protocol, README ("Command reference", "LIVE_SAMPLES_B", "cmd=0xFF authentication"), verified there on devices; ported by
home-health-hub/viatom-o2ring-ble. The commands of the vendor that reset the ring or change its settings are not among `COMMANDS`.
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from device_drivers.errors import Truncated
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.oximeters import lepu_frames
from device_drivers.oximeters.lepu_frames import ANSWER, REQUEST, ClockSetting, DeviceInfo, Head, Message
from device_drivers.oximeters.viatom_frames import Data, Envelope, little
from vitals.parameters import Parameter
from vitals.readings import Reason, Value, measured_value, missing_value

GET_CONFIG: Final = 0x00
LIVE_WAVE: Final = 0x03
LIVE: Final = 0x04
SETUP: Final = 0x10
SET_TIME: Final = 0xC0
INFO: Final = 0xE1
BATTERY: Final = 0xE4
FILE_LIST: Final = 0xF1
FILE_OPEN: Final = 0xF2
FILE_READ: Final = 0xF3
FILE_CLOSE: Final = 0xF4
AUTHENTICATE: Final = 0xFF
COMMANDS: Final = {
    GET_CONFIG: "get configuration",
    LIVE_WAVE: "live samples",
    LIVE: "live numbers and samples",
    SETUP: "set up",
    SET_TIME: "set the clock",
    INFO: "information",
    BATTERY: "battery",
    FILE_LIST: "list of files",
    FILE_OPEN: "open a file",
    FILE_READ: "read a file",
    FILE_CLOSE: "close the file",
    AUTHENTICATE: "authenticate",
}
NO_CONTACT: Final = 0
"""State of the ring without a finger (home-health-hub; the vendor's demonstration calls it lead off)."""
_SALT: Final = hashlib.md5(b"lepucloud", usedforsecurity=False).digest()
_ANY_SERIAL: Final = b"0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Answer to 0x04. `motion` is about 10 at rest and 50 and more when shaken; `wave` are samples of a plethysmogram, None in an answer without. Numbers of
    0 and 255 are none. What no source explains is left out."""

    counter: int = 0
    state: int = 1
    spo2: int | None
    motion: int = 0
    pulse_rate: int | None
    battery: int = 0
    wave: tuple[int, ...] | None = None

    SHORTEST = 14
    HEAD = 24

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        if len(data) < cls.SHORTEST:
            raise Truncated(cls.SHORTEST, len(data))
        return cls(
            counter=int.from_bytes(data[:2], "little"),
            state=data[5],
            spo2=_number(data[6]),
            motion=data[7],
            pulse_rate=_number(data[8]),
            battery=data[13],
            wave=_wave(data[cls.HEAD :]),
        )

    def __bytes__(self) -> bytes:
        numbers = bytes((self.state, self.spo2 or 0, self.motion, self.pulse_rate or 0))
        head = (little(self.counter, 2) + bytes(3) + numbers + bytes(4) + bytes((self.battery,))).ljust(
            self.HEAD, b"\0"
        )
        return head if self.wave is None else head + little(len(self.wave), 2) + bytes(self.wave)

    def explain(self, parts: Parts, size: int) -> None:
        parts.add(2, "counter", self.counter)
        parts.add(3, "unknown", "not known")
        parts.add(1, "state", f"{self.state}; 0: no finger, 1: finger")
        parts.add(1, "spo2", "none (0 or 255)" if self.spo2 is None else f"{self.spo2} %")
        parts.add(1, "motion", f"{self.motion}; about 10 at rest")
        parts.add(1, "pulse_rate", "none (0 or 255)" if self.pulse_rate is None else f"{self.pulse_rate} /min")
        parts.add(4, "unknown", "not known; perhaps perfusion and motion")
        parts.add(1, "battery", f"{self.battery} %")
        parts.add(min(self.HEAD, size) - self.SHORTEST, "padding", "nothing")
        if self.wave is not None:
            parts.add(2, "samples", f"{len(self.wave)} samples", "wave")
            parts.add(len(self.wave), "wave", "plethysmogram, unverified: about 100 samples a second")

    @property
    def values(self) -> tuple[Value, ...]:
        """Ours."""
        missing = Reason.NO_FINGER if self.state == NO_CONTACT else Reason.SEARCHING
        numbers = ((Parameter.SPO2, self.spo2), (Parameter.OXIMETER_PULSE_RATE, self.pulse_rate))
        return tuple(
            missing_value(parameter, missing)
            if number is None or self.state == NO_CONTACT
            else measured_value(parameter, number)
            for parameter, number in numbers
        )


CONTENTS: Final[lepu_frames.Contents] = {
    (LIVE, ANSWER): Live,
    (INFO, ANSWER): DeviceInfo,
    (SET_TIME, REQUEST): ClockSetting,
}
ENVELOPE: Final = Envelope(
    whole=Message, head=Head, contents={"live": Live, "info": DeviceInfo, "clock": ClockSetting, "data": Data}
)


def authentication(unix_seconds: int) -> bytes:
    """What 0xFF carries: half of a fixed digest, four digits for the serial number and the time, in exclusive or with the digest.

    The ring takes "0000" for any serial number. The time is shifted by bits where bytes would be expected: so the vendor's application does it.
    """
    times = bytes(unix_seconds >> place & 0xFF for place in range(4))
    key = _SALT[::2] + _ANY_SERIAL + times
    return bytes(one ^ other for one, other in zip(key, _SALT, strict=True))


def decode(frame: bytes) -> Message:
    """Raises Truncated, Malformed."""
    return Message.of(frame, CONTENTS, COMMANDS)


def _number(byte: int) -> int | None:
    return None if byte in (0, 0xFF) else byte


def _wave(data: bytes) -> tuple[int, ...] | None:
    if len(data) < 2:
        return None
    size = int.from_bytes(data[:2], "little")
    if len(data) < 2 + size:
        raise Truncated(Live.HEAD + 2 + size, Live.HEAD + len(data))
    return tuple(data[2 : 2 + size])


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="oxyii",
        title="Wellue O2Ring-S (OxyII)",
        source="nglessner/o2ring-s-protocol, README",
        message=Message,
        decode=decode,
        encode=partial(lepu_frames.checked, names=COMMANDS),
        describe=partial(lepu_frames.describe, contents=CONTENTS, envelope=ENVELOPE, names=COMMANDS),
        measure=lepu_frames.MEASURE,
        fields=ENVELOPE.fields,
        from_fields=ENVELOPE.message_from,
        unverified=("the samples' rate of about 100 a second", "the state of the ring without a finger"),
    ),
)
