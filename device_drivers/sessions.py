"""How to talk with a device, without I/O: events in, commands out.

A driver's `Session` is given every event of one connection in order and answers each with the commands to carry out, in order.
It holds no socket, reads no clock and logs nothing: each event carries the gateway's time at which it happened. A shell (the
agent, or a test) owns the link, performs the commands and feeds the events. A session lives as long as one connection;
what must outlast it (which stored records were seen) is the shell's `memory` in the context.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Protocol, TypeAlias

from vitals.identifiers import DeviceKey
from vitals.readings import Reading
from vitals.waveforms import SampleChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEstablished:
    """The link stands; for BLE, services are resolved and `characteristics` are the full lower-case UUIDs present."""

    at: datetime
    characteristics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueReceived:
    """A notification or an indication of a characteristic, or the answer to `ReadValue`."""

    at: datetime
    characteristic: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesReceived:
    """What a serial line gave, cut anywhere; or one report of a USB device, whole."""

    at: datetime
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """A command could not be carried out though the link stands; `reason` is for people."""

    at: datetime
    command: "Command"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """Sent once a second while the link stands."""

    at: datetime


Event: TypeAlias = LinkEstablished | ValueReceived | BytesReceived | CommandRefused | TimePassed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """Pair and bond if that has not been done yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeTo:
    """Enable notifications or indications, whichever the characteristic has."""

    characteristic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadValue:
    """Answered by `ValueReceived`."""

    characteristic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteValue:
    """Write, with response where the characteristic has it."""

    characteristic: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBytes:
    """Write to a serial line, or one report to a USB device."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseLink:
    """The driver has what it came for."""


LinkCommand: TypeAlias = Bond | SubscribeTo | ReadValue | WriteValue | SendBytes | CloseLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflate:
    """Start a measurement, by which a cuff squeezes an arm. The shell carries out `command` only where the gateway's configuration allows it
    (`allow_inflation`), and logs it; else it answers CommandRefused."""

    command: WriteValue | SendBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSamples:
    """A chunk of a waveform; live only, and the first thing to be dropped."""

    chunk: SampleChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Readings, to be committed to the outbox in this order."""

    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStatus:
    """What the device says of itself. `faults` are words of `vitals.readings.Reason` or of this package; the whole list each time."""

    at: datetime
    battery_percent: int | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRefused:
    """Bytes from the device made no reading: `reason` is stable and counted, `discarded` the number of bytes."""

    at: datetime
    reason: str
    discarded: int


Command: TypeAlias = LinkCommand | Inflate | Deliver | DeliverSamples | ReportStatus | ReportRefused


class Session(Protocol):
    """One connection's conversation. `handle` never raises for anything that a device can send."""

    def handle(self, event: Event) -> Sequence[Command]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What a session may know: whose it is, the zone of the device's clock, the options of its configuration, and a small memory
    that the shell keeps between connections."""

    device: DeviceKey
    zone: tzinfo
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    memory: MutableMapping[str, str] = field(default_factory=dict)
