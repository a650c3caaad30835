"""The conversation with devices that follow the Bluetooth SIG's profiles.

They wake, connect, send and drop within seconds: subscribe first, so that nothing is missed; then read the device's clock and only
then set it; then listen until the device leaves. What comes before the clock has been read waits for it, so that it can be placed in time.
Nothing that a device refuses ends the conversation.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias

from device_drivers import uuids
from device_drivers.clocks import Placed
from device_drivers.date_time import DateTime
from device_drivers.driver import Option
from device_drivers.errors import Undecodable
from device_drivers.sessions import (
    Bond,
    Command,
    CommandRefused,
    Deliver,
    Event,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from device_drivers.sig.device_clock import DeviceClock
from vitals.identifiers import DeviceKey
from vitals.readings import Reading

MAX_VALUE_BYTES: Final = 64
"""Longer values are no measurement of these profiles (the longest is 20 bytes, and a heart rate's with twenty intervals 45)."""
MAX_HELD: Final = 64
"""Measurements that wait for the clock; with one more they wait no longer."""
CLOCK_SECONDS: Final = timedelta(seconds=20)
"""How long they wait: longer than a transport lets one command take."""
NOT_SUBSCRIBED: Final = "subscription_refused"
"""Said of a device that lets nobody listen; most often it wants to be bonded with."""

BOND: Final = Option(
    name="bond", default=False, text="pair before anything else; most cuffs send to a bonded host alone"
)
SET_TIME: Final = Option(name="set_time", default=True, text="set the device's clock after it was read")
OPTIONS: Final = (BOND, SET_TIME)
BONDED_OPTIONS: Final = (replace(BOND, default=True), SET_TIME)
"""For devices that send to nobody else: with `Profile.bond`."""


class Measurement(Protocol):
    """What a characteristic's value decodes to."""

    @property
    def timestamp(self) -> DateTime | None: ...

    def reading(
        self,
        device: DeviceKey,
        *,
        raw: bytes,
        measured: datetime,
        received: datetime,
        stored: bool,
        time_uncertain: bool,
    ) -> Reading: ...


Decode: TypeAlias = Callable[[bytes], Any]
"""From a value to a `Measurement`, or to what a subclass of `Session` makes one of. Raises Undecodable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Which characteristic carries measurements, and what decodes it.

    `more` are further ones. `reads` are read once at the beginning and come to `Session.value`. `after_clock` is written, in order, once the
    clock was read and set (or there is none, or the device refuses): a vendor's commands, each only where its characteristic is there.
    `bond` is the default of the option of that name. `has_clock`: the device's clock matters, where it has one.
    """

    measurement: str
    decode: Decode
    more: Mapping[str, Decode] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    after_clock: tuple[WriteValue, ...] = ()
    bond: bool = False
    has_clock: bool = True


class Session:
    """One connection with a device of a `Profile`.

    A subclass overrides `begin`, `clock_settled`, `measured`, `placed`, `value`, `refused` and `tick` as it needs; each that answers does
    so with commands, in order. `measured` and `value` may raise Undecodable: it is reported. `faults` are those that stand.
    """

    def __init__(self, context: SessionContext, profile: Profile) -> None:
        self.context = context
        self.clock = DeviceClock(context.zone, context.memory)
        self.characteristics: frozenset[str] = frozenset()
        self._profile = profile
        self._decoders = {profile.measurement: profile.decode, **profile.more}
        self._clock_asked: datetime | None = None
        self._held: list[ValueReceived] = []
        self.faults: tuple[str, ...] = ()

    def begin(self, event: LinkEstablished) -> Iterable[Command]:
        """What is said after the subscriptions and the reading of the clock."""
        return ()

    def clock_settled(self, at: datetime) -> Iterable[Command]:
        """What is said once the clock was read and set, or that failed; once in a connection."""
        return ()

    def measured(self, event: ValueReceived, measurement: Any) -> Iterable[Command]:  # noqa: ANN401 - what `decode` gave
        """What a measurement brings. Raises Undecodable."""
        return (Deliver(readings=(self.reading(event, measurement),)),)

    def placed(self, measurement: Any, at: datetime) -> Placed:  # noqa: ANN401 - a `Measurement`, or what `decode` gave
        """When a measurement that came `at` was made."""
        return self.clock.place(measurement.timestamp, at)

    def value(self, event: ValueReceived) -> Iterable[Command]:
        """What the value of another characteristic brings. Raises Undecodable."""
        return ()

    def refused(self, event: CommandRefused) -> Iterable[Command]:
        """What is done when a command that isn't about the clock could not be carried out."""
        return ()

    def tick(self, at: datetime) -> Iterable[Command]:
        """What is said once a second."""
        return ()

    def handle(self, event: Event) -> list[Command]:
        match event:
            case ValueReceived() if event.characteristic in self._decoders:
                return self._received(event)
            case ValueReceived():
                return self._reported(event, self._other_value)
            case LinkEstablished():
                return self._begin(event)
            case CommandRefused():
                return self._refused(event)
            case TimePassed():
                return [*self._clock_overdue(event.at), *self.tick(event.at)]
            case _:
                return []

    def reading(self, event: ValueReceived, measurement: Measurement) -> Reading:
        """The reading of a measurement, placed in time. Raises Undecodable."""
        placed = self.placed(measurement, event.at)
        return measurement.reading(
            self.context.device,
            raw=event.data,
            measured=placed.measured,
            received=event.at,
            stored=placed.stored,
            time_uncertain=placed.uncertain,
        )

    def _begin(self, event: LinkEstablished) -> list[Command]:
        self.characteristics = event.characteristics
        commands: list[Command] = [Bond()] if self.context.options.get(BOND.name, self._profile.bond) else []
        present = [known for known in self._decoders if known in event.characteristics] or [self._profile.measurement]
        commands += [SubscribeTo(characteristic=characteristic) for characteristic in present]
        clock = self.clock.find(event.characteristics) if self._profile.has_clock else None
        if clock:
            self._clock_asked = event.at
            commands.append(ReadValue(characteristic=clock))
        wanted = [known for known in (uuids.BATTERY_LEVEL, *self._profile.reads) if known in event.characteristics]
        commands += [ReadValue(characteristic=characteristic) for characteristic in wanted]
        commands += self.begin(event)
        return commands if clock else [*commands, *self._settled(event.at)]

    def _other_value(self, event: ValueReceived) -> Iterable[Command]:
        if event.characteristic == uuids.BATTERY_LEVEL:
            return self._battery(event)
        if event.characteristic == self.clock.characteristic:
            return self._clock_read(event)
        return self.value(event)

    def _clock_read(self, event: ValueReceived) -> list[Command]:
        """The device's clock has been read: keep its offset, deliver what waited for it, and set it."""
        if self._clock_asked is None:
            return []
        refusals: list[Command] = []
        try:
            self.clock.read(event.data, event.at)
        except Undecodable as refusal:
            refusals = [_refusal(event, refusal)]
        return [*refusals, *self._clock_done(event.at)]

    def _clock_done(self, at: datetime) -> list[Command]:
        commands = self._released()
        if self.context.options.get(SET_TIME.name, SET_TIME.default):
            commands.append(self.clock.setting(at))
        return [*commands, *self._settled(at)]

    def _settled(self, at: datetime) -> list[Command]:
        writes = [write for write in self._profile.after_clock if write.characteristic in self.characteristics]
        return [*writes, *self.clock_settled(at)]

    def _released(self) -> list[Command]:
        """What waited for the clock; nothing waits any more."""
        held, self._held, self._clock_asked = self._held, [], None
        return [command for event in held for command in self._reported(event, self._measured)]

    def _clock_overdue(self, at: datetime) -> list[Command]:
        """A clock that was not read in time is left as it is: a later connection may still read it."""
        if self._clock_asked is None or at - self._clock_asked < CLOCK_SECONDS:
            return []
        return [*self._released(), *self._settled(at)]

    def _received(self, event: ValueReceived) -> list[Command]:
        if self._clock_asked is None:
            return self._reported(event, self._measured)
        self._held.append(event)
        return [] if len(self._held) <= MAX_HELD else [*self._released(), *self._settled(event.at)]

    def _measured(self, event: ValueReceived) -> Iterable[Command]:
        if len(event.data) > MAX_VALUE_BYTES:
            raise Undecodable("oversized")
        return self.measured(event, self._decoders[event.characteristic](event.data))

    def _reported(self, event: ValueReceived, answer: Callable[[ValueReceived], Iterable[Command]]) -> list[Command]:
        try:
            return list(answer(event))
        except Undecodable as refusal:
            return [_refusal(event, refusal)]

    def _refused(self, event: CommandRefused) -> list[Command]:
        match event.command:
            case ReadValue(characteristic=read) if read == self.clock.characteristic and self._clock_asked:
                return self._clock_done(event.at)
            case WriteValue(characteristic=written) if written == self.clock.characteristic:
                self.clock.not_set()
                return []
            case SubscribeTo(characteristic=missed) if missed in self._decoders:
                return [ReportRefused(at=event.at, reason=NOT_SUBSCRIBED, discarded=0), *self.refused(event)]
            case _:
                return list(self.refused(event))

    def _battery(self, event: ValueReceived) -> list[Command]:
        if not event.data or event.data[0] > 100:
            raise Undecodable("battery_out_of_range")
        return [ReportStatus(at=event.at, battery_percent=event.data[0], faults=self.faults)]


def _refusal(event: ValueReceived, refusal: Undecodable) -> ReportRefused:
    return ReportRefused(at=event.at, reason=refusal.reason, discarded=len(event.data))
