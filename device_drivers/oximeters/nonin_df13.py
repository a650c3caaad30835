"""Nonin serial data format 13 (9560, WristOx2 3150): spot checks, each sent once when it is made, and those that were kept in memory before it.

Source: 9560 OEM Specification, "Data Format 13 - SmartPoint Algorithm". A packet is `00 02 TYPE SIZE data CHECKSUM 03`, type and size u16 with the
upper byte first; the checksum is the sum of the data mod 256; the data may grow beyond its 14 bytes.

The document gives date and time as BCD, century first (20), and two clients of real 9560s read it so (NHS MediPi, Nonin9560_BluetoothSPP);
a third (NoninPulseOx) takes the bytes as plain numbers. The century tells which: 20 is 0x20 in BCD and 0x14 as a number. With any other the time is unknown.

The clock has no zone, and is lost with the batteries, as the memory is. It is read before anything else, which places what was stored; a stored
measurement that comes before the answer, or without one, has an uncertain time. The 9560 document has no acknowledgement by the host: sending ACK
after each packet is unverified.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from device_drivers.bounds import or_marker, within
from device_drivers.checksums import sum8
from device_drivers.clocks import Placed, offset_of, place
from device_drivers.date_time import DateTime
from device_drivers.driver import UNVERIFIED, Driver, Option, Transport, Verified
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import nonin
from device_drivers.oximeters.nonin_host import (
    ACK,
    CENTURY,
    ETX,
    SELECT_FORMAT,
    STX,
    HostSession,
    TimeMessage,
    TimeWord,
    date_parts,
    measure_time,
)
from device_drivers.sessions import Command, Deliver, LinkEstablished, SendBytes, SessionContext
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Vital
from vitals.readings import RAW_LIMIT, Reading, Reason

START: Final = bytes((0x00, STX, 0x00, 0x0D))
HEADER: Final = 6
LEAST_DATA: Final = 14
MOST_DATA: Final = 64
"""A security limit; 23 is the longest seen."""
FOOTER: Final = 2
SET_TIME: Final = Option(name="set_time", default=False, text="set the oximeter's clock after it was read")
_CENTURY_BCD: Final = 0x20
_CENTURY_NUMBER: Final = 20
_SMARTPOINT: Final = 0x0200
_NO_MEASUREMENT: Final = 0x0100
_FROM_MEMORY: Final = 0x0010
_LOW_BATTERY: Final = 0x0001


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotCheck:
    """One measurement in the oximeter's own words; a number that it does not have is None, as is a time that is none.

    `smartpoint`: of high quality; without it the oximeter gave up waiting for that. `extra` is what a longer packet has (one client reads nine
    characters of serial number there).
    """

    timestamp: DateTime | None
    hr: int | None
    spo2: int | None
    smartpoint: bool = False
    no_measurement: bool = False
    from_memory: bool = False
    low_battery: bool = False
    hundredths: int = 0
    extra: bytes | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 22 bytes or more. Raises Truncated, Malformed."""
        body = _body(data)
        timestamp, hundredths = _time(body[:8])
        status = int.from_bytes(body[8:10])
        return cls(
            timestamp=timestamp,
            hundredths=hundredths,
            hr=nonin.heart_rate((body[10] & 1) << 8 | body[11]),
            spo2=nonin.spo2(body[13]),
            smartpoint=bool(status & _SMARTPOINT),
            no_measurement=bool(status & _NO_MEASUREMENT),
            from_memory=bool(status & _FROM_MEMORY),
            low_battery=bool(status & _LOW_BATTERY),
            extra=body[LEAST_DATA:] or None,
        )

    def __bytes__(self) -> bytes:
        """Encode, the time as BCD. Raises ValueError for what the packet can't say."""
        status = (
            self.smartpoint * _SMARTPOINT
            | self.no_measurement * _NO_MEASUREMENT
            | self.from_memory * _FROM_MEMORY
            | self.low_battery * _LOW_BATTERY
        )
        numbers = or_marker("hr", self.hr, nonin.NO_HEART_RATE).to_bytes(2)
        numbers += bytes((0, or_marker("spo2", self.spo2, nonin.NO_SPO2)))
        body = self._time_bytes() + status.to_bytes(2) + numbers + (self.extra or b"")
        if len(body) > MOST_DATA:
            raise ValueError(f"extra: {MOST_DATA - LEAST_DATA} bytes at most")
        return START + len(body).to_bytes(2) + body + bytes((sum8(body), ETX))

    def _time_bytes(self) -> bytes:
        time = self.timestamp
        if time is None:
            return bytes(8)
        parts = [within("timestamp", part, 99) for part in date_parts(time)]
        parts.append(within("hundredths", self.hundredths, 99))
        return bytes((_CENTURY_BCD, *(part // 10 << 4 | part % 10 for part in parts)))

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What there is to say of the numbers."""
        said = ((Reason.FROM_STORAGE, self.from_memory), (Reason.EARLY_ESTIMATE, not self.smartpoint))
        return tuple(reason for reason, holds in said if holds)

    def reading(self, device: DeviceKey, *, raw: bytes, placed: Placed, received: datetime) -> Reading:
        """The reading, stored where it is from memory."""
        numbers = (None, None) if self.no_measurement else (self.spo2, self.hr)
        stored = (Reason.FROM_STORAGE,) if self.from_memory else ()
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=nonin.values(*numbers, missing=(Reason.MEASUREMENT_FAILED, *stored), doubts=self.doubts),
            measured=placed.measured,
            received=received,
            raw=raw[:RAW_LIMIT],
            device_time=self.timestamp.moment if self.timestamp else None,
            time_uncertain=placed.uncertain,
            stored=self.from_memory,
        )


def _body(data: bytes) -> bytes:
    """The data of a packet that is whole and right."""
    if not data.startswith(START[: len(data)]):
        raise Malformed("not_a_spot_check")
    if len(data) < HEADER:
        raise Truncated(HEADER, len(data))
    size = int.from_bytes(data[4:HEADER])
    if not LEAST_DATA <= size <= MOST_DATA:
        raise Malformed("wrong_size")
    if len(data) < HEADER + size + FOOTER:
        raise Truncated(HEADER + size + FOOTER, len(data))
    body, check, end = data[HEADER : HEADER + size], data[HEADER + size], data[HEADER + size + 1]
    if end != ETX:
        raise Malformed("no_end")
    if check != sum8(body):
        raise Malformed("wrong_checksum")
    return body


def _time(data: bytes) -> tuple[DateTime | None, int]:
    """Time and hundredths of eight bytes; None and 0 where they are no time of this century."""
    if data[0] == _CENTURY_BCD and all(byte & 0x0F <= 9 and byte >> 4 <= 9 for byte in data):
        parts = [(byte >> 4) * 10 + (byte & 0x0F) for byte in data[1:]]
    elif data[0] == _CENTURY_NUMBER and all(byte <= 99 for byte in data):
        parts = list(data[1:])
    else:
        return None, 0
    year, month, day, hour, minute, second, hundredths = parts
    time = DateTime(year=CENTURY + year, month=month, day=day, hour=hour, minute=minute, second=second)
    return time, hundredths


def _measure(buffer: bytearray, at: int) -> int | None:
    head = buffer[at : at + HEADER]
    if not head.startswith(START[: len(head)]):
        return 0
    if len(head) < HEADER:
        return None
    size = int.from_bytes(head[4:])
    if not LEAST_DATA <= size <= MOST_DATA:
        return 0
    whole = bytes(buffer[at : at + HEADER + size + FOOTER])
    if len(whole) < HEADER + size + FOOTER:
        return None
    return len(whole) if whole[-1] == ETX and sum8(whole[HEADER:-FOOTER]) == whole[-FOOTER] else 0


def _measure_with_clock(buffer: bytearray, at: int) -> int | None:
    return _measure(buffer, at) if buffer[at] == START[0] else measure_time(buffer, at)


class Session(HostSession):
    """Reads the clock, sets it where the option asks for that, and delivers each spot check."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _measure_with_clock, data_format=13, reason="not_a_spot_check")
        self._offset: timedelta | None = None
        self._sets_time = bool(context.options.get(SET_TIME.name, SET_TIME.default))
        self._acknowledges = bool(context.options.get(UNVERIFIED.name, UNVERIFIED.default))

    def begin(self, event: LinkEstablished) -> Iterator[Command]:
        yield from super().begin(event)
        yield SendBytes(data=bytes(TimeMessage(word=TimeWord.REQUEST)))

    def frame(self, at: datetime, data: bytes) -> Iterable[Command]:
        return self._clock_read(at, data) if data[0] == STX else super().frame(at, data)

    def message(self, at: datetime, data: bytes) -> Iterator[Command]:
        check = SpotCheck.from_bytes(data)
        yield from self.report(at, *((nonin.LOW_BATTERY,) if check.low_battery else ()))
        yield Deliver(readings=(self._reading(at, check, data),))
        if self._acknowledges:
            yield SendBytes(data=bytes((ACK,)))

    def _reading(self, at: datetime, check: SpotCheck, data: bytes) -> Reading:
        live = Placed(measured=at, stored=False, uncertain=False)
        placed = self._placed(at, check.timestamp) if check.from_memory else live
        return check.reading(self.context.device, raw=data, placed=placed, received=at)

    def _placed(self, at: datetime, timestamp: DateTime | None) -> Placed:
        if timestamp is None:
            return Placed(measured=at, stored=True, uncertain=True)
        return place(timestamp, at=at, zone=self.context.zone, offset=self._offset)

    def _clock_read(self, at: datetime, data: bytes) -> Iterator[Command]:
        message = TimeMessage.from_bytes(data)
        if message.word is not TimeWord.REPLY or message.timestamp is None:
            return
        self._offset = offset_of(message.timestamp, at)
        if self._sets_time:
            ours = DateTime.of(at.astimezone(self.context.zone))
            yield SendBytes(data=bytes(TimeMessage(word=TimeWord.SET, timestamp=ours)))


def _time_in_words(check: SpotCheck, century: int) -> str:
    if check.timestamp is None:
        return "no time of this century"
    return f"{check.timestamp}.{check.hundredths:02}, {'BCD' if century == _CENTURY_BCD else 'plain numbers'}"


def _describe(data: bytes) -> Parts:
    check, parts = SpotCheck.from_bytes(data), Parts(data)
    status = (
        ("SmartPoint", check.smartpoint),
        ("no measurement", check.no_measurement),
        ("from memory", check.from_memory),
        ("low battery", check.low_battery),
    )
    parts.add(2, "start", "NUL STX")
    parts.add(2, "type", "data format 13")
    parts.add(2, "size", f"{int.from_bytes(data[4:HEADER])} bytes of data")
    parts.add(8, "timestamp", _time_in_words(check, data[HEADER]), "timestamp", "hundredths")
    parts.add(2, "status", in_words(status), "smartpoint", "no_measurement", "from_memory", "low_battery")
    parts.add(2, "hr", nonin.rate_in_words(check.hr))
    parts.add(1, "reserved", "reserved")
    parts.add(1, "spo2", nonin.spo2_in_words(check.spo2))
    parts.add(len(check.extra or b""), "extra", "not explained by the document")
    parts.add(1, "checksum", "right")
    parts.add(1, "end", "ETX")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="nonin-df13",
        title="Nonin serial data format 13: a spot check",
        source=f'{nonin.SPECIFICATION}, "Data Format 13"',
        message=SpotCheck,
        decode=SpotCheck.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=_measure,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="nonin-df13",
        title="Nonin pulse oximeter, serial data format 13 (spot checks)",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=nonin.LINE,
        formats=("nonin-df13", "nonin-time-cmd"),
        measures=nonin.MEASURES,
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT, Verified.SECOND_SOURCE),
        sleeps=True,
        options=(SELECT_FORMAT, SET_TIME),
        missing="the memory of a WristOx2 3150, and choosing the format on one, which has a command of its own",
        unverified=("acknowledging each spot check with ACK, which the 9560's document doesn't mention",),
    ),
)
