"""A recording of a Contec oximeter of protocol V7.0, taken as a whole: counted, placed in time, and made into readings.

The device's clock can be set but not read, so its offset can't be measured. What it recorded after this gateway set its clock is placed by that setting,
which is remembered with the device's id; what began before it, or on another device, is of an uncertain time.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from device_drivers.clocks import offset_of
from device_drivers.date_time import DateTime
from device_drivers.oximeters import contec_v7_packets as v7
from device_drivers.oximeters.contec_v7_replies import (
    SAMPLES_OF_PACKET,
    Sample,
    StartDate,
    StartTime,
    Stored,
    StoredWithPerfusion,
)
from device_drivers.oximeters.recording import numbering
from vitals.identifiers import DeviceKey
from vitals.parameters import Vital
from vitals.readings import Reading, Reason

MOST_BYTES: Final = 4 * 3600 * 24 * 7
"""No oximeter of this kind holds a week; a longer recording is a mistake."""
_CLOCK: Final = "contec_v7_clock"
_SAMPLE_BYTES: Final = {v7.STORED: 2, v7.STORED_WITH_PERFUSION: 4}


class ClockMemory:
    """When this gateway set a device's clock, kept between connections."""

    def __init__(self, memory: MutableMapping[str, str], zone: tzinfo) -> None:
        self._memory = memory
        self._zone = zone

    def was_set(self, identity: str, at: datetime) -> None:
        self._memory[_CLOCK] = f"{at.isoformat()} {identity}"

    def is_unknown(self) -> None:
        """Another setting may have failed half-way."""
        self._memory.pop(_CLOCK, None)

    def offset(self, identity: str, start: DateTime) -> timedelta | None:
        """What to add to the device's time to have ours in UTC; None where it began before the clock was set, or another device's was."""
        said, _, whose = self._memory.get(_CLOCK, "").partition(" ")
        if not said or whose != identity:
            return None
        at = datetime.fromisoformat(said)
        local = DateTime.of(at.astimezone(self._zone))
        if start.moment is None or local.moment is None or start.moment < local.moment:
            return None
        return offset_of(local, at.replace(microsecond=0))


@dataclass(slots=True, kw_only=True)
class Recording:
    """One segment while it comes. `length_bytes` and the start are what the device said of it before."""

    user: int
    length_bytes: int
    start: DateTime | None
    offset: timedelta | None
    kind: int = 0
    packets: bytearray = field(default_factory=bytearray)
    damaged: bool = False

    def add(self, packet: bytes) -> None:
        """Take a packet. One of another kind than the first damages the recording."""
        self.kind = self.kind or packet[0]
        self.damaged |= packet[0] != self.kind
        self.packets += packet

    @property
    def is_over(self) -> bool:
        """Whether nothing good can come any more."""
        return self.damaged or (self.kind != 0 and self._counted > self._expected)

    @property
    def is_whole(self) -> bool:
        """Whether as many samples came as the device said, none lost between."""
        return not self.damaged and self.kind != 0 and self._counted == self._expected

    @property
    def _counted(self) -> int:
        return len(self.packets) // v7.PACKET_LENGTHS[self.kind]

    @property
    def _expected(self) -> int:
        """Packets; of three samples the last is filled up."""
        return -(-self._samples // SAMPLES_OF_PACKET) if self.kind == v7.STORED else self._samples

    @property
    def _samples(self) -> int:
        return self.length_bytes // _SAMPLE_BYTES[self.kind]

    def readings(self, device: DeviceKey, at: datetime) -> Iterator[Reading]:
        """All of it, a reading a second, which arrived `at`. What fills up the last packet is none."""
        packets, length = bytes(self.packets), v7.PACKET_LENGTHS[self.kind]
        number = numbering(packets)
        for index in range(self._samples):
            place = index // SAMPLES_OF_PACKET if self.kind == v7.STORED else index
            raw = packets[place * length : (place + 1) * length]
            device_time = self._device_time(index)
            record = number(index) if device_time is None else index
            yield self._reading(device, at, raw, self._sample(raw, index), device_time, record)

    def _sample(self, raw: bytes, index: int) -> Sample:
        if self.kind == v7.STORED:
            return Stored.from_bytes(raw).samples[index % SAMPLES_OF_PACKET]
        return StoredWithPerfusion.from_bytes(raw).samples[0]

    def _reading(
        self, device: DeviceKey, at: datetime, raw: bytes, sample: Sample, device_time: datetime | None, record: int
    ) -> Reading:
        measured = self._measured(device_time, at)
        return Reading(
            data_type=Vital.SPO2,
            device=device,
            values=v7.values_of(
                sample.spo2,
                sample.pulse_rate,
                sample.perfusion_index,
                doubts=(),
                missing=(Reason.NOT_MEASURED,),
                has_perfusion=self.kind == v7.STORED_WITH_PERFUSION,
            ),
            measured=measured or at,
            received=at,
            raw=raw,
            device_time=device_time,
            stored=True,
            time_uncertain=measured is None,
            record=record,
            user=self.user,
        )

    def _device_time(self, index: int) -> datetime | None:
        start = self.start.moment if self.start is not None else None
        try:
            return None if start is None else start + timedelta(seconds=index)
        except OverflowError:
            return None

    def _measured(self, device_time: datetime | None, at: datetime) -> datetime | None:
        """On our clock; None where that can't be known, or would lie ahead."""
        if device_time is None or self.offset is None:
            return None
        measured = (device_time + self.offset).replace(tzinfo=UTC)
        return measured if measured <= at else None


def start_of(date: StartDate | None, time: StartTime | None) -> DateTime | None:
    """The device's own time of a recording's beginning; None where it did not say, or does not know."""
    if date is None or time is None:
        return None
    start = DateTime(
        year=date.year, month=date.month, day=date.day, hour=time.hour, minute=time.minute, second=time.second
    )
    return start if start.moment is not None else None
