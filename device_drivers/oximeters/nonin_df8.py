"""Nonin serial data format 8: 9600 baud, 8N1, four bytes once a second.

Source: 9560 OEM Specification, "Serial Data Format #8"; bit 6 of the first byte is one of older modules, and reserved there. Only the first byte
has bit 7. There is no checksum, so four bytes in a row with the right high bits are all that shows a frame: one in sixteen of noise does
(`NoiseGate`). The numbers are those formatted for display.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from device_drivers.bounds import or_marker
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.errors import Malformed, Truncated
from device_drivers.format import AnyFormat, Format, Parts, in_words
from device_drivers.oximeters import nonin
from device_drivers.oximeters.nonin_host import SELECT_FORMAT, HostSession
from device_drivers.sessions import Command, Deliver, SessionContext
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Vital
from vitals.readings import Reading, Reason

FRAME_LENGTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFrame:
    """One second in the oximeter's own words; a number that it does not have is None."""

    hr: int | None
    spo2: int | None
    sensor_disconnected: bool = False
    out_of_track: bool = False
    low_perfusion: bool = False
    marginal_perfusion: bool = False
    artifact: bool = False
    smartpoint: bool = False
    sensor_alarm: bool = False
    low_battery: bool = False

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode four bytes. Raises Truncated, Malformed."""
        if len(data) < FRAME_LENGTH:
            raise Truncated(FRAME_LENGTH, len(data))
        first, second, third, fourth = data[:FRAME_LENGTH]
        if not first & 0x80 or (second | third | fourth) & 0x80:
            raise Malformed("not_a_frame")
        return cls(
            hr=nonin.heart_rate((first & 0x03) << 7 | second),
            spo2=nonin.spo2(third),
            sensor_disconnected=bool(first & 0x40),
            out_of_track=bool(first & 0x20),
            low_perfusion=bool(first & 0x10),
            marginal_perfusion=bool(first & 0x08),
            artifact=bool(first & 0x04),
            smartpoint=bool(fourth & 0x20),
            sensor_alarm=bool(fourth & 0x08),
            low_battery=bool(fourth & 0x01),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that the bits can't say."""
        rate = or_marker("hr", self.hr, nonin.NO_HEART_RATE)
        flags = (
            self.sensor_disconnected << 6
            | self.out_of_track << 5
            | self.low_perfusion << 4
            | self.marginal_perfusion << 3
            | self.artifact << 2
        )
        return bytes(
            (
                0x80 | flags | rate >> 7,
                rate & 0x7F,
                or_marker("spo2", self.spo2, nonin.NO_SPO2),
                self.smartpoint << 5 | self.sensor_alarm << 3 | self.low_battery,
            )
        )

    @property
    def missing(self) -> Reason:
        """Why a number is missing."""
        return nonin.why_missing(
            sensor_disconnected=self.sensor_disconnected,
            sensor_alarm=self.sensor_alarm,
            out_of_track=self.out_of_track,
        )

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What puts the numbers in doubt."""
        return nonin.doubts(
            sensor_alarm=self.sensor_alarm,
            out_of_track=self.out_of_track,
            artifact=self.artifact,
            low_perfusion=self.low_perfusion or self.marginal_perfusion,
        )

    def reading(self, device: DeviceKey, *, raw: bytes, at: datetime) -> Reading:
        """The reading that is measured at `at`."""
        numbers = (None, None) if self.sensor_disconnected else (self.spo2, self.hr)
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=nonin.values(*numbers, missing=(self.missing,), doubts=self.doubts),
            measured=at,
            received=at,
            raw=raw,
        )


def _measure(buffer: bytearray, at: int) -> int | None:
    frame = buffer[at : at + FRAME_LENGTH]
    if not frame[0] & 0x80 or any(byte & 0x80 for byte in frame[1:]):
        return 0
    return FRAME_LENGTH if len(frame) == FRAME_LENGTH else None


class Session(HostSession):
    """Every frame is a reading; the format comes once a second, without being asked for."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, _measure, data_format=8, frame_length=FRAME_LENGTH)

    def message(self, at: datetime, data: bytes) -> Iterator[Command]:
        frame = DataFrame.from_bytes(data)
        yield from self.report(at, *((nonin.LOW_BATTERY,) if frame.low_battery else ()))
        yield Deliver(readings=(frame.reading(self.context.device, raw=data, at=at),))


def _describe(data: bytes) -> Parts:
    frame, parts = DataFrame.from_bytes(data), Parts(data)
    first = (
        ("sensor disconnected", frame.sensor_disconnected),
        ("out of track", frame.out_of_track),
        ("low perfusion", frame.low_perfusion),
        ("marginal perfusion", frame.marginal_perfusion),
        ("artifact", frame.artifact),
    )
    last = (
        ("SmartPoint", frame.smartpoint),
        ("sensor alarm", frame.sensor_alarm),
        ("low battery", frame.low_battery),
    )
    parts.add(
        1,
        "status",
        f"{in_words(first)}; pulse bits 8, 7: {data[0] & 0x03:02b}",
        *("sensor_disconnected", "out_of_track", "low_perfusion", "marginal_perfusion", "artifact", "hr"),
    )
    parts.add(1, "hr", f"{nonin.rate_in_words(frame.hr)}, with bits 8 and 7")
    parts.add(1, "spo2", nonin.spo2_in_words(frame.spo2))
    parts.add(1, "status 2", in_words(last), "smartpoint", "sensor_alarm", "low_battery")
    parts.rest()
    return parts


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="nonin-df8",
        title="Nonin serial data format 8",
        source=f'{nonin.SPECIFICATION}, "Serial Data Format #8"',
        message=DataFrame,
        decode=DataFrame.from_bytes,
        encode=bytes,
        describe=_describe,
        measure=_measure,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="nonin-df8",
        title="Nonin pulse oximeter, serial data format 8",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=nonin.LINE,
        formats=("nonin-df8",),
        measures=nonin.MEASURES,
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT, Verified.SECOND_SOURCE),
        stale_after_seconds=10,
        options=(SELECT_FORMAT,),
        missing="data format 1 of older modules; choosing the format on a WristOx2 3150, which has a command of its own",
    ),
)
