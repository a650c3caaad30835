"""The records in an Omron cuff's memory, 14 bytes each, in the two byte orders that its models use.

The same seven words either way: diastolic and systolic pressure (the latter less 25), year and pulse rate, the date and hour with two flags, the
minute and second with two more, a word that nobody has explained, the sequence number, a checksum. Newer models keep a word's low byte first;
the older HEM-7322T, HEM-7600T and HEM-6232T its high byte. Source: the device files of userx14/omblepy and the record parsers of
eigger/hass-omron. That the sequence number is the sixth word, and that the seventh is no number but the sum of the twelve bytes before it with its
complement (or 0), is shown by eleven captured records (omblepy issue 55, hass-omron issues 7 and 71) and said by hass-omron's pull request 135.
Of the HEM-6232T's flags omblepy says the opposite; they are taken as in all other models. Its year has six bits, that of the other old
models eight. A slot that was never written is 0xFF throughout, or 0. A second beyond 59 is said where 59 is meant.
"""

from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import ClassVar, Final, Self

from device_drivers.bounds import within
from device_drivers.checksums import sum8
from device_drivers.clocks import Placed
from device_drivers.cuffs.pressures import cuff_reading, pressure_values
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts, in_words
from vitals.identifiers import DeviceKey
from vitals.readings import Reading, Reason

RECORD_LENGTH: Final = 14
EMPTY: Final = "empty slot"
SYSTOLIC_OFFSET: Final = 25
POSITION: Final = "any position but 0 is an improper one"
_HIGHEST_SYSTOLIC_BYTE: Final = 0xE1
_EPOCH: Final = 2000
_LAST_SECOND: Final = 59
_COVERED: Final = 12
"""Bytes that the checksum adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One measurement in the cuff's own words, of either byte order.

    `ihb` irregular heartbeat, `mov` movement, `cuff` 1 where it was wrapped well, `position` 0 to 3, `bit13` without a known meaning:
    it has been called the battery, but no model's own map says so.
    """

    systolic: int
    diastolic: int
    pulse_rate: int
    timestamp: DateTime
    ihb: int = 0
    mov: int = 0
    cuff: int = 1
    position: int = 0
    bit13: int = 0
    sequence: int | None = None

    words: ClassVar[Struct]
    year_mask: ClassVar[int]
    numbered: ClassVar[bool]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 14 bytes; what follows is ignored. Raises Truncated, and Malformed for an empty slot or a date that does not exist."""
        if len(data) < RECORD_LENGTH:
            raise Truncated(RECORD_LENGTH, len(data))
        pressures, rates, dates, times, _, sequence, _ = cls.words.unpack(data[:RECORD_LENGTH])
        if pressures & 0xFF > _HIGHEST_SYSTOLIC_BYTE or not (pressures or rates or dates or times):
            raise Malformed(EMPTY)
        timestamp = _timestamp(rates >> 8 & cls.year_mask, dates, times)
        if timestamp.moment is None:
            raise Malformed("impossible_date")
        return cls(
            systolic=(pressures & 0xFF) + SYSTOLIC_OFFSET,
            diastolic=pressures >> 8,
            pulse_rate=rates & 0xFF,
            timestamp=timestamp,
            ihb=dates >> 14 & 1,
            mov=dates >> 15,
            cuff=times >> 12 & 1,
            position=times >> 14,
            bit13=times >> 13 & 1,
            sequence=sequence if cls.numbered else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what the record can't say."""
        self._check()
        time = self.timestamp
        words = (
            self.diastolic << 8 | self.systolic - SYSTOLIC_OFFSET,
            time.year - _EPOCH << 8 | self.pulse_rate,
            self.mov << 15 | self.ihb << 14 | time.month << 10 | time.day << 5 | time.hour,
            self.position << 14 | self.bit13 << 13 | self.cuff << 12 | time.minute << 6 | time.second,
            0,
            self.sequence or 0,
        )
        total = sum8(self.words.pack(*words, 0)[:_COVERED])
        return self.words.pack(*words, (total ^ 0xFF) << 8 | total)

    def _check(self) -> None:
        limits = (
            ("systolic", self.systolic - SYSTOLIC_OFFSET, _HIGHEST_SYSTOLIC_BYTE),
            ("diastolic", self.diastolic, 0xFF),
            ("pulse_rate", self.pulse_rate, 0xFF),
            ("the year", self.timestamp.year - _EPOCH, self.year_mask),
            ("position", self.position, 3),
            *((name, getattr(self, name), 1) for name in ("ihb", "mov", "cuff", "bit13")),
            ("sequence", self.sequence or 0, 0xFFFF if self.numbered else 0),
        )
        for name, value, most in limits:
            within(name, value, most)
        if self.timestamp.moment is None:
            raise ValueError("timestamp: there is no such date")

    def reasons(self, *, unverified: bool) -> tuple[Reason, ...]:
        """What puts the numbers in doubt; the position only where `unverified` facts are asked for."""
        said = (
            (Reason.IRREGULAR_PULSE, self.ihb),
            (Reason.MOTION, self.mov),
            (Reason.CUFF_LOOSE, not self.cuff),
            (Reason.IMPROPER_POSITION, unverified and self.position),
        )
        return tuple(reason for reason, holds in said if holds)

    def reading(
        self, device: DeviceKey, *, raw: bytes, at: datetime, placed: Placed, user: int | None, unverified: bool
    ) -> Reading:
        """The reading of a record that arrived `at` from the memory of `user`."""
        values = pressure_values(self.systolic, self.diastolic, self.pulse_rate, *self.reasons(unverified=unverified))
        return cuff_reading(
            device, values, raw=raw, at=at, placed=placed, timestamp=self.timestamp, record=self.sequence, user=user
        )


def _timestamp(year: int, dates: int, times: int) -> DateTime:
    return DateTime(
        year=_EPOCH + year,
        month=dates >> 10 & 0x0F,
        day=dates >> 5 & 0x1F,
        hour=dates & 0x1F,
        minute=times >> 6 & 0x3F,
        second=min(times & 0x3F, _LAST_SECOND),
    )


class LowFirst(Record):
    """HEM-7142T2, 7146T, 7150T, 7155T, 7342T, 7361T, 7380T1 and others: the low byte of a word first."""

    __slots__ = ()
    words = Struct("<7H")
    year_mask = 0x3F
    numbered = True


class HighFirst(Record):
    """HEM-7322T, 7600T: the high byte of a word first, and a year of eight bits. Where the sequence number is, is not known."""

    __slots__ = ()
    words = Struct(">7H")
    year_mask = 0xFF
    numbered = False


class HighFirstShortYear(HighFirst):
    """HEM-6232T, 7530T: as `HighFirst`, and a year of six bits."""

    __slots__ = ()
    year_mask = 0x3F


def _describe(data: bytes, kind: type[Record]) -> Parts:
    record, parts = kind.from_bytes(data), Parts(data)
    rates = (("pulse_rate", f"{record.pulse_rate} /min"), ("timestamp", f"year {record.timestamp.year}"))
    pressures = (
        ("systolic", f"{record.systolic} mmHg, less {SYSTOLIC_OFFSET}"),
        ("diastolic", f"{record.diastolic} mmHg"),
    )
    step = -1 if kind.words.format.startswith(">") else 1
    for name, meaning in (*pressures[::step], *rates[::step]):
        parts.add(1, name, meaning)
    flags = in_words((("irregular heartbeat", bool(record.ihb)), ("movement", bool(record.mov))))
    parts.add(2, "date and hour", f"{record.timestamp}; {flags}", "timestamp", "ihb", "mov")
    worn = f"cuff wrapped {'well' if record.cuff else 'badly'}; position {record.position}; bit 13 is {record.bit13}"
    parts.add(2, "minute and second", f"{record.timestamp}; {worn}", "timestamp", "cuff", "position", "bit13")
    parts.add(2, "unexplained", "no known meaning")
    parts.add(2, "sequence", "no known meaning" if record.sequence is None else f"record number {record.sequence}")
    fits = sum8(data[:_COVERED]) == kind.words.unpack(data[:RECORD_LENGTH])[-1] & 0xFF
    parts.add(2, "checksum", "the sum of the bytes before" if fits else "not the sum of the bytes before; not checked")
    parts.rest()
    return parts


def _format(key: str, title: str, kind: type[Record]) -> AnyFormat:
    return Format(
        key=key,
        title=title,
        source="userx14/omblepy deviceSpecific; eigger/hass-omron record_parsers.py; captured records",
        message=kind,
        decode=kind.from_bytes,
        encode=bytes,
        describe=lambda data: _describe(data, kind),
        unverified=(POSITION,),
    )


FORMATS: Final[tuple[AnyFormat, ...]] = (
    _format("omron-14le", "Omron memory record, low byte first", LowFirst),
    _format("omron-14be", "Omron memory record, high byte first", HighFirst),
    _format("omron-14be-6232t", "Omron memory record, high byte first, as in the HEM-6232T", HighFirstShortYear),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
