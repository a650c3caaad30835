"""TaiDoc's eight bytes, as its own and FORA's cuffs, thermometers, oximeters and glucose meters speak them, over Bluetooth LE or a serial line.

`51`, command, four bytes of data, `A3` from the host or `A5` from the device, and the sum of the seven. A device keeps records, number 0 the
newest; a record's time and value are asked for one after the other. The reply's command is the request's. Sources, which agree:
advmeds-service/advmeds-bluetooth-lib (decoders by model), markchuang56/iOS-Demo (h2SyncLib, Fora.m), YentingChia-Ultron/Ultron-esp32BLE (foraBP.c,
foraThermometer.c), glucometers-tech/glucometerutils (td42xx.py). Commands that start a measurement, erase or turn off are not here.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from device_drivers.bounds import within
from device_drivers.checksums import sum8
from device_drivers.date_time import DateTime
from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import named

FRAME_LENGTH: Final = 8
START: Final = 0x51
FROM_HOST: Final = 0xA3
FROM_DEVICE: Final = 0xA5
CONNECT: Final = 0x22
READ_CLOCK: Final = 0x23
READ_MODEL: Final = 0x24
READ_RECORD_TIME: Final = 0x25
READ_RECORD_VALUE: Final = 0x26
COUNT_RECORDS: Final = 0x2B
SET_CLOCK: Final = 0x33
READ_NOW: Final = 0x49
"""The present numbers of an oximeter."""
LISTENING: Final = 0x54
"""The device says, unasked, that it listens."""
_OURS: Final = frozenset(
    {CONNECT, READ_CLOCK, READ_MODEL, READ_RECORD_TIME, READ_RECORD_VALUE, COUNT_RECORDS, SET_CLOCK, READ_NOW}
)
_EPOCH: Final = 2000
_HIGHEST_SYSTOLIC: Final = 0x1FF
_LEAST_HUNDREDTHS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Any frame of either side."""

    cmd: int
    data: bytes = bytes(4)
    from_device: bool = False

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode eight bytes; what follows is ignored. Raises Truncated, Malformed."""
        if len(frame) < FRAME_LENGTH:
            raise Truncated(FRAME_LENGTH, len(frame))
        if frame[0] != START or frame[6] not in (FROM_HOST, FROM_DEVICE):
            raise Malformed("not_a_frame")
        if sum8(frame[:7]) != frame[7]:
            raise Malformed("checksum")
        return cls(cmd=frame[1], data=frame[2:6], from_device=frame[6] == FROM_DEVICE)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for other than four bytes of data."""
        if len(self.data) != len(bytes(4)):
            raise ValueError("data: four bytes")
        frame = (
            bytes((START, within("cmd", self.cmd, 0xFF)))
            + self.data
            + bytes((FROM_DEVICE if self.from_device else FROM_HOST,))
        )
        return frame + bytes((sum8(frame),))


def reply_data(frame: bytes, *commands: int) -> bytes:
    """The four bytes of the reply to one of `commands`. Raises Truncated, Malformed."""
    reply = Frame.from_bytes(frame)
    if not reply.from_device or reply.cmd not in commands:
        raise Malformed("another_reply")
    return reply.data


def request(cmd: int, data: bytes = bytes(4)) -> bytes:
    """What the host says. Raises ValueError for a command that does more than read or set the clock."""
    if cmd not in _OURS:
        raise ValueError(f"{cmd} is no command that reads or sets the clock")
    return bytes(Frame(cmd=cmd, data=data))


def reply(cmd: int, data: bytes) -> bytes:
    """A reply of the device's."""
    return bytes(Frame(cmd=cmd, data=data, from_device=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTime:
    """When a record was made, or what the clock says; and what the record is, in five bits whose meaning depends on the device.

    `kind` are bits 7 and 6 of the minute's byte: of a cuff, 2 a blood pressure (0 a glucose) and 1 an arrhythmia; of a thermometer, with bit 0 of
    `marks` as the third bit, where it measured. `marks` are bits 7 to 5 of the hour's: of a cuff, 4 an average, 0 to 3 the kind of pulse; of a
    thermometer, 4 degrees Fahrenheit.
    """

    timestamp: DateTime
    kind: int = 0
    marks: int = 0
    clock: bool = False

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode the reply to 25 or 23. Raises Truncated, Malformed."""
        data = reply_data(frame, READ_RECORD_TIME, READ_CLOCK)
        date, minute, hour = int.from_bytes(data[:2], "little"), data[2], data[3]
        timestamp = DateTime(
            year=_EPOCH + (date >> 9),
            month=date >> 5 & 0x0F,
            day=date & 0x1F,
            hour=hour & 0x1F,
            minute=minute & 0x3F,
            second=0,
        )
        return cls(timestamp=timestamp, kind=minute >> 6, marks=hour >> 5, clock=frame[1] == READ_CLOCK)

    def __bytes__(self) -> bytes:
        return reply(READ_CLOCK if self.clock else READ_RECORD_TIME, self.data)

    @property
    def data(self) -> bytes:
        """The four bytes. Raises ValueError for what they can't say."""
        time = self.timestamp
        fields = (
            ("the year", time.year - _EPOCH, 7),
            ("the month", time.month, 4),
            ("the day", time.day, 5),
            ("the minute", time.minute, 6),
            ("the hour", time.hour, 5),
            ("kind", self.kind, 2),
            ("marks", self.marks, 3),
        )
        for name, value, bits in fields:
            within(name, value, (1 << bits) - 1)
        date = time.year - _EPOCH << 9 | time.month << 5 | time.day
        return date.to_bytes(2, "little") + bytes((self.kind << 6 | time.minute, self.marks << 5 | time.hour))


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodPressure:
    """A record's value. Some cuffs have a mean pressure where others have the high byte of the systolic one: nobody has 512 mmHg, nor a mean of 1."""

    systolic: int | None
    diastolic: int | None
    pulse_rate: int | None
    mean: int | None = named("map", default=None)

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode the reply to 26. Raises Truncated, Malformed."""
        low, second, diastolic, pulse_rate = reply_data(frame, READ_RECORD_VALUE)
        has_mean = second > _HIGHEST_SYSTOLIC >> 8
        return cls(
            systolic=(low if has_mean else second << 8 | low) or None,
            diastolic=diastolic or None,
            pulse_rate=pulse_rate or None,
            mean=second if has_mean else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError."""
        systolic = self.systolic or 0
        if not 0 <= systolic <= (_HIGHEST_SYSTOLIC if self.mean is None else 0xFF) or self.mean in (0, 1):
            raise ValueError("systolic or map is beyond what the reply has room for")
        second = systolic >> 8 if self.mean is None else self.mean
        return reply(READ_RECORD_VALUE, bytes((systolic & 0xFF, second, self.diastolic or 0, self.pulse_rate or 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """A record's value as a number of degrees, in the unit of the record's time; `ambient` is what the thermometer itself had."""

    temperature: Decimal | None
    ambient: Decimal | None = None

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode the reply to 26: tenths, or hundredths from 1000 on. Raises Truncated, Malformed."""
        data = reply_data(frame, READ_RECORD_VALUE)
        object_, ambient = (int.from_bytes(data[at : at + 2], "little") for at in (0, 2))
        return cls(temperature=_degrees(object_), ambient=_degrees(ambient))

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that neither tenths nor hundredths say."""
        return reply(READ_RECORD_VALUE, _raw_degrees(self.temperature) + _raw_degrees(self.ambient))


def fahrenheit(frame: bytes) -> Decimal | None:
    """The same reply where it is in degrees Fahrenheit: always tenths, since 1000 of them are a fever."""
    raw = int.from_bytes(reply_data(frame, READ_RECORD_VALUE)[:2], "little")
    return Decimal(raw).scaleb(-1) if raw else None


def _degrees(raw: int) -> Decimal | None:
    if raw == 0:
        return None
    return Decimal(raw).scaleb(-1 if raw < _LEAST_HUNDREDTHS else -2)


def _raw_degrees(degrees: Decimal | None) -> bytes:
    if degrees is None:
        return bytes(2)
    tenths, hundredths = degrees * 10, degrees * 100
    if tenths == int(tenths) and 0 < tenths < _LEAST_HUNDREDTHS:
        return int(tenths).to_bytes(2, "little")
    if hundredths == int(hundredths) and _LEAST_HUNDREDTHS <= hundredths <= 0xFFFF:
        return int(hundredths).to_bytes(2, "little")
    raise ValueError("temperature: tenths below 100, or hundredths from 10 to 655.35")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """A record's value, or the present one (`live`)."""

    spo2: int | None
    pulse_rate: int | None
    live: bool = False

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode the reply to 26 or 49. Raises Truncated, Malformed."""
        data = reply_data(frame, READ_RECORD_VALUE, READ_NOW)
        spo2 = int.from_bytes(data[:2], "little")
        return cls(spo2=spo2 or None, pulse_rate=data[3] or None, live=frame[1] == READ_NOW)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what the reply can't say."""
        data = within("spo2", self.spo2 or 0, 0xFFFF).to_bytes(2, "little") + bytes((0, self.pulse_rate or 0))
        return reply(READ_NOW if self.live else READ_RECORD_VALUE, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glucose:
    """A record's value in mg/dL. `meal`: 0 none, 1 before, 2 after, 3 the control solution. `substance`: 0 glucose, 6 haematocrit, 7 ketone.
    `code`: of the strip."""

    glucose: int | None
    meal: int = 0
    substance: int = 0
    code: int = 0

    CONTROL = 3

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Decode the reply to 26. Raises Truncated, Malformed."""
        data = reply_data(frame, READ_RECORD_VALUE)
        return cls(
            glucose=int.from_bytes(data[:2], "little") or None,
            meal=data[3] >> 6,
            substance=data[3] >> 2 & 0x0F,
            code=(data[3] & 3) << 8 | data[2],
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what the reply can't say."""
        meal, substance = within("meal", self.meal, 3), within("substance", self.substance, 0x0F)
        kind = meal << 6 | substance << 2 | within("code", self.code, 0x3FF) >> 8
        return reply(
            READ_RECORD_VALUE,
            within("glucose", self.glucose or 0, 0xFFFF).to_bytes(2, "little") + bytes((self.code & 0xFF, kind)),
        )


def measure(buffer: bytearray, at: int) -> int | None:
    """A frame from the device."""
    if buffer[at] != START:
        return 0
    frame = buffer[at : at + FRAME_LENGTH]
    if len(frame) < FRAME_LENGTH:
        return None
    return FRAME_LENGTH if frame[6] == FROM_DEVICE and sum8(bytes(frame[:7])) == frame[7] else 0
