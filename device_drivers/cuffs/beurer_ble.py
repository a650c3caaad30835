"""Beurer's BM85: Blood Pressure Measurement 0x2A35 with the pulse rate and the status most significant byte first, and with a user id
that its flag does not announce.

Everything else is as the standard says. The values cannot be told from the standard's, so a cuff is one of these by its name and by nothing else
(derdilla/blood-pressure-monitor-fl, pull requests 735, 737 and 740, with recordings of a BM85: the BM48, BM59 and Elite 900 were on that list
first and taken off it, one having been seen to follow the standard). The cuff stays silent for a host that subscribes as soon as it has connected.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from struct import Struct
from typing import Final, Self

from device_drivers.advertisement import Marks
from device_drivers.binary import ByteReader
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat, Format, Parts, bits_in_words
from device_drivers.ieee11073 import SFLOAT, Number
from device_drivers.packing import pack
from device_drivers.sessions import Command, Event, LinkEstablished, SessionContext, SubscribeTo
from device_drivers.sig import blood_pressure, session
from device_drivers.sig.blood_pressure import BloodPressureMeasurement, Flag, Status
from device_drivers.sig.floats import number_in_words
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.units import Unit

NAMES: Final = ("BM85", "Beurer BM85")
"""How the names begin that these cuffs advertise."""
_WORD: Final = Struct(">H")
_KILOPASCAL, _TIMESTAMP, _PULSE_RATE, _STATUS = (
    flag.value for flag in (Flag.KILOPASCAL, Flag.TIMESTAMP, Flag.PULSE_RATE, Flag.STATUS)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwappedMeasurement(BloodPressureMeasurement):
    """One indication, in the cuff's own words. `user_id` is always there: 0 or 1 for the cuff's users 1 and 2."""

    @classmethod
    def unchecked(cls, data: bytes) -> Self:
        """As `from_bytes`, which takes 8 to 19 bytes; whatever the numbers are. Raises Truncated."""
        fields = ByteReader(data)
        flags = fields.u8()
        return cls(
            unit=Unit.KILOPASCAL if flags & _KILOPASCAL else Unit.MMHG,
            systolic=fields.sfloat(),
            diastolic=fields.sfloat(),
            mean=fields.sfloat(),
            timestamp=fields.date_time() if flags & _TIMESTAMP else None,
            pulse_rate=_swapped_sfloat(fields) if flags & _PULSE_RATE else None,
            user_id=fields.u8(),
            status=_swapped_word(fields) if flags & _STATUS else None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that no SFLOAT is, and without a user id."""
        if self.user_id is None:
            raise ValueError("this cuff always sends a user id")
        flags, parts = Flag.KILOPASCAL if self.unit is Unit.KILOPASCAL else Flag(0), []
        if self.timestamp is not None:
            flags |= Flag.TIMESTAMP
            parts.append(bytes(self.timestamp))
        if self.pulse_rate is not None:
            flags |= Flag.PULSE_RATE
            parts.append(SFLOAT.encode(self.pulse_rate)[::-1])
        parts.append(bytes((self.user_id,)))
        if self.status is not None:
            flags |= Flag.STATUS
            parts.append(pack(_WORD, self.status))
        pressures = [SFLOAT.encode(number) for number in (self.systolic, self.diastolic, self.mean)]
        return bytes((flags,)) + b"".join((*pressures, *parts))


def _swapped_word(fields: ByteReader) -> int:
    return int.from_bytes(fields.take(2), "big")


def _swapped_sfloat(fields: ByteReader) -> Number:
    return SFLOAT.decode(fields.take(2)[::-1])


class Session(session.Session):
    """As any cuff's, but it listens from the first second on only."""

    def __init__(self, context: SessionContext, profile: session.Profile) -> None:
        super().__init__(context, profile)
        self._later: list[Command] = []

    def handle(self, event: Event) -> list[Command]:
        commands = super().handle(event)
        if not isinstance(event, LinkEstablished):
            return commands
        self._later = [command for command in commands if isinstance(command, SubscribeTo)]
        return [command for command in commands if not isinstance(command, SubscribeTo)]

    def tick(self, at: datetime) -> Iterable[Command]:
        later, self._later = self._later, []
        return later


def _describe(data: bytes) -> Parts:
    value, parts = SwappedMeasurement.from_bytes(data), Parts(data)
    unit = "kPa" if value.unit is Unit.KILOPASCAL else "mmHg"
    parts.add(1, "flags", f"{bits_in_words(data[0], Flag)}; unit {unit}", "unit")
    for name, number in (("systolic", value.systolic), ("diastolic", value.diastolic), ("map", value.mean)):
        parts.add(2, name, number_in_words(number, unit=unit))
    if value.timestamp is not None:
        parts.add(DateTime.SIZE, "timestamp", value.timestamp)
    if value.pulse_rate is not None:
        parts.add(2, "pulse_rate", f"{number_in_words(value.pulse_rate, unit='/min')}, most significant byte first")
    parts.add(1, "user_id", f"{value.user_id}; there without its flag")
    if value.status is not None:
        words = bits_in_words(value.status, Status, none="nothing to remark")
        parts.add(2, "status", f"{words}, most significant byte first")
    parts.rest()
    return parts


PROFILE: Final = replace(blood_pressure.PROFILE, decode=SwappedMeasurement.from_bytes)
FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="2A35-beurer-swapped",
        title="Blood Pressure Measurement as the Beurer BM85 sends it",
        source="derdilla/blood-pressure-monitor-fl, pull requests 735 and 737 (recordings of a BM85)",
        message=SwappedMeasurement,
        decode=SwappedMeasurement.from_bytes,
        encode=bytes,
        describe=_describe,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="beurer-ble-cuff",
        title="Beurer BM85 blood pressure cuff",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        formats=("2A35-beurer-swapped",),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        marks=(Marks(names=NAMES),),
        session=partial(Session, profile=PROFILE),
        verified=(Verified.CAPTURE,),
        sleeps=True,
        stale_after_seconds=300,
        options=session.OPTIONS,
        missing="which other models of Beurer's send so: a BM85 is known by its name, for others the driver must be named",
    ),
)
