"""Contec 08A cuff on USB (HID, 0483:5750): what it has stored, in reports of 64 bytes.

Source: MarkMLl/contec08a, consoleapp.pas (USB captures, compared with the CSV and AWP files of Contec's own program). It names systolic pressures from 128
alone, in a byte that it does not mask, and finds two bytes (0 and 8) without a meaning. They are what V7.0 of Contec's oximeter protocol calls high
bytes: bit i is bit 7 of the i-th byte behind it, and in all eight captured records bit 1 of byte 0 is set, where the systolic is. By that a smaller
systolic has bit 1 clear, and another number of 128 or more has its own bit set: [unverified], as no capture has one. What would rest on it is
given only under a name that says so.

Commands: `42` asks how the device is, `43` for a user's records. One of the source's guesses is that `41` clears them; it is not here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from device_drivers.clocks import Placed
from device_drivers.cuffs.pressures import cuff_reading, with_seconds, without_seconds
from device_drivers.date_time import DateTime
from device_drivers.driver import UNVERIFIED, Driver, Option, Transport, UsbId, Verified
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.fields import fields_of, message_from, named
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.sessions import (
    BytesReceived,
    CloseLink,
    Command,
    Deliver,
    Event,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SendBytes,
    SessionContext,
    TimePassed,
)
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter
from vitals.readings import Reading, Reason, Value, measured_value, missing_value

REPORT_LENGTH: Final = 64
RECORD_LENGTH: Final = 14
"""Bytes of a record that say something; all of them have bit 7."""
USERS: Final = 3
USER: Final = Option(name="user", default=0, low=0, high=USERS, text="read the records of this user alone; 0: of all")
PATIENCE: Final = timedelta(seconds=5)
NOT_READ: Final = "stored_data_not_read"
_ASK_STATUS: Final = bytes.fromhex("428ffffefdfc")
_ASK_RECORDS: Final = 0x43
_NUMBERS: Final = ("systolic", "diastolic", "pulse_rate", "mean")
"""In the order of the wire, from byte 2."""
_PARAMETERS: Final = (
    (Parameter.SYSTOLIC, "systolic"),
    (Parameter.DIASTOLIC, "diastolic"),
    (Parameter.MEAN, "mean"),
    (Parameter.CUFF_PULSE_RATE, "pulse_rate"),
)


def report(data: bytes) -> bytes:
    """A whole report that begins with these bytes."""
    return data.ljust(REPORT_LENGTH, b"\0")


def ask_records(user: int) -> bytes:
    """What asks for the records of user 1 to 3."""
    return report(bytes((_ASK_RECORDS, 0x41, 0x01, 0x03 + user, 0x02, 0x00)))


def _is_verified(name: str, number: int) -> bool:
    """Whether a number of this size was captured: systolic pressures from 128 on, of the others only smaller ones."""
    return (number >= 0x80) is (name == "systolic")


def _numbers(data: bytes) -> dict[str, int | None]:
    """The four numbers by attribute, each under the name that says how sure it is."""
    found: dict[str, int | None] = {}
    for place, name in enumerate(_NUMBERS, 1):
        number = data[place + 1] & 0x7F | (data[0] >> place & 1) << 7
        verified = _is_verified(name, number)
        found[name] = number if verified else None
        found[f"{name}_unverified"] = None if verified else number
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One stored measurement, mmHg and beats a minute, on the cuff's own clock, which has no seconds.

    A number is None where only the unverified reading of the high bits gives one; that stands beside it.
    """

    systolic: int | None
    diastolic: int | None
    pulse_rate: int | None
    mean: int | None = named("map")
    timestamp: DateTime
    systolic_unverified: int | None = None
    diastolic_unverified: int | None = None
    pulse_rate_unverified: int | None = None
    mean_unverified: int | None = named("map_unverified", default=None)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 14 bytes; what follows is ignored. Raises Truncated, Malformed."""
        if len(data) < RECORD_LENGTH:
            raise Truncated(RECORD_LENGTH, len(data))
        if any(byte < 0x80 for byte in data[:RECORD_LENGTH]):
            raise Malformed("not_a_record")
        year, month, _, day, hour, minute = (byte & 0x7F for byte in data[6:12])
        timestamp = DateTime(year=2000 + year, month=month, day=day, hour=hour, minute=minute, second=0)
        return cls(timestamp=timestamp, **_numbers(data))

    def __bytes__(self) -> bytes:
        """Encode, in 16 bytes as captured. Raises ValueError for what does not fit, and for seconds."""
        when = self.timestamp
        date = (when.year - 2000, when.month, 0, when.day, when.hour, when.minute)
        if when.second or any(not 0 <= part <= 0x7F for part in date):
            raise ValueError(f"timestamp: {when} can't be said")
        numbers = [self._number(name) for name in _NUMBERS]
        high = sum(1 << place for place, number in enumerate(numbers, 1) if number & 0x80)
        return bytes(0x80 | byte & 0x7F for byte in (high, 0, *numbers, *date, 0, 0x11)) + bytes(2)

    def _number(self, name: str) -> int:
        """The number of which one reading or the other is there. Raises ValueError."""
        sure, doubtful = getattr(self, name), getattr(self, f"{name}_unverified")
        number = doubtful if sure is None else sure
        if (sure is None) is (doubtful is None) or not 0 <= number <= 0xFF:
            raise ValueError(f"{name}: is a number from 0 to 255, verified or not")
        if _is_verified(name, number) is (sure is None):
            raise ValueError(f"{name}: {number} is of the other kind, verified or not")
        return int(number)

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime, user: int | None, unverified: bool) -> Reading:
        """The reading, which arrived `at`; with unverified numbers only if they are wanted. The cuff's clock can't be read, so its time is uncertain."""
        return cuff_reading(
            device,
            tuple(self._value(parameter, name, unverified=unverified) for parameter, name in _PARAMETERS),
            raw=raw,
            at=at,
            placed=Placed(measured=at, stored=True, uncertain=True),
            timestamp=self.timestamp,
            user=user,
        )

    def _value(self, parameter: Parameter, name: str, *, unverified: bool) -> Value:
        number = getattr(self, name)
        if number is None and not unverified:
            return missing_value(parameter, Reason.UNVERIFIED)
        number = getattr(self, f"{name}_unverified") if number is None else number
        return measured_value(parameter, number) if number else missing_value(parameter, Reason.MEASUREMENT_FAILED)


class Session:
    """Asks for the records of each user in turn, and leaves. A report that does not come within `PATIENCE` is not waited for."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        only = int(context.options.get(USER.name, USER.default))
        self._users = [only] if only else list(range(1, USERS + 1))
        self._unverified = bool(context.options.get(UNVERIFIED.name, UNVERIFIED.default))
        self._user: int | None = None
        self._left = 0
        self._heard: datetime | None = None

    def handle(self, event: Event) -> list[Command]:
        match event:
            case LinkEstablished():
                self._heard = event.at
                return [SendBytes(data=report(_ASK_STATUS))]
            case BytesReceived():
                self._heard = event.at
                return list(self._report(event.at, event.data))
            case TimePassed() if self._heard is not None and event.at - self._heard > PATIENCE:
                return list(self._give_up(event.at))
            case _:
                return []

    def _report(self, at: datetime, data: bytes) -> Iterator[Command]:
        match data[:1]:
            case b"\x48" if not self._left:
                yield from self._next_user(at)
            case b"\x4a" if data[1:2] == b"\x43":
                if data[2:3] != b"\x01":
                    yield ReportStatus(at=at, faults=("turned_off",))
                    yield CloseLink()
            case b"\x46" if len(data) >= RECORD_LENGTH:
                self._left, self._user = data[4] & 0x7F, data[13] & 0x03
                yield from [] if self._left else self._next_user(at)
            case _ if self._left:
                yield from self._record(at, data)
            case _:
                yield ReportRefused(at=at, reason="unexpected_report", discarded=len(data))

    def _record(self, at: datetime, data: bytes) -> Iterator[Command]:
        self._left -= 1
        try:
            reading = Record.from_bytes(data).reading(
                self._context.device, raw=data, at=at, user=self._user, unverified=self._unverified
            )
        except Undecodable as refusal:
            yield ReportRefused(at=at, reason=refusal.reason, discarded=len(data))
        else:
            yield Deliver(readings=(reading,))
        if not self._left:
            yield from self._next_user(at)

    def _next_user(self, at: datetime) -> Iterator[Command]:
        self._left, self._user, self._heard = 0, None, at
        if self._users:
            yield SendBytes(data=ask_records(self._users.pop(0)))
        else:
            self._heard = None
            yield CloseLink()

    def _give_up(self, at: datetime) -> Iterator[Command]:
        yield ReportStatus(at=at, faults=(NOT_READ,))
        yield from self._next_user(at)


def _describe(data: bytes) -> Parts:
    record, parts = Record.from_bytes(data), Parts(data)
    parts.add(1, "high bits", f"bit 7 of the seven bytes that follow, the last first: {data[0] & 0x7F:07b}")
    parts.add(1, "unknown", f"0x{data[1]:02x}")
    for name, shown, unit in (
        ("systolic", "systolic", "mmHg"),
        ("diastolic", "diastolic", "mmHg"),
        ("pulse_rate", "pulse_rate", "/min"),
        ("mean", "map", "mmHg"),
    ):
        sure, doubtful = getattr(record, name), getattr(record, f"{name}_unverified")
        words = f"{doubtful} {unit}, by the high bits (unverified)" if sure is None else f"{sure} {unit}"
        parts.add(1, shown, words, shown, f"{shown}_unverified")
    parts.add(1, "year", record.timestamp.year, "timestamp")
    parts.add(1, "month", record.timestamp.month, "timestamp")
    parts.add(1, "high bits 2", f"0x{data[8]:02x}; of the bytes that follow")
    parts.add(1, "day", record.timestamp.day, "timestamp")
    parts.add(1, "hour", record.timestamp.hour, "timestamp")
    parts.add(1, "minute", record.timestamp.minute, "timestamp")
    parts.add(2, "unknown 2", data[12:14].hex(" "))
    parts.rest()
    return parts


_SMALL: Final = (
    "a systolic below 128, and other numbers of 128 or more: by the high bits of byte 0, of which no capture has one"
)
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="contec08a",
        title="Contec 08A, stored measurement",
        source="MarkMLl/contec08a, consoleapp.pas (USB captures beside the maker's CSV)",
        message=Record,
        decode=Record.from_bytes,
        encode=bytes,
        describe=_describe,
        fields=lambda record: without_seconds(fields_of(record)),
        from_fields=lambda fields: message_from(Record, with_seconds(fields)),
        unverified=(_SMALL,),
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="contec-08a",
        title="Contec 08A cuff, stored measurements over USB",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.USB_HID,
        formats=("contec08a",),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        usb=frozenset({UsbId(vendor=0x0483, product=0x5750)}),
        session=Session,
        verified=(Verified.CAPTURE, Verified.ONE_SOURCE),
        sleeps=True,
        options=(USER,),
        missing="the cuff's clock can't be read, so the time of what it stored is uncertain; the USB ids are those of STMicroelectronics' example, which other devices have too",
        unverified=(_SMALL,),
    ),
)
