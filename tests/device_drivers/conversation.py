"""A driver's session and a device's model that talk with each other, without I/O, on a clock of their own."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from device_drivers.driver import Driver
from device_drivers.sessions import (
    Bond,
    BytesReceived,
    CloseLink,
    Command,
    CommandRefused,
    Deliver,
    Event,
    LinkEstablished,
    ReadValue,
    SendBytes,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from simulators.models.model import STEPS_PER_SECOND, DeviceModel, Said
from tests.device_drivers.samples import BERLIN, NOON
from vitals.identifiers import DeviceKey
from vitals.readings import Reading


@dataclass
class Conversation:
    """One connection. `memory` may be given to have what an earlier one left."""

    driver: Driver
    model: DeviceModel
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    memory: dict[str, str] = field(default_factory=dict)
    now: datetime = NOON
    commands: list[Command] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        device = DeviceKey(device_type=self.driver.device_type, device_id="device-1")
        context = SessionContext(device=device, zone=BERLIN, options=self.options, memory=self.memory)
        self.session = self.driver.session(context)

    @property
    def readings(self) -> list[Reading]:
        return [reading for command in self.commands if isinstance(command, Deliver) for reading in command.readings]

    @property
    def sent(self) -> list[bytes]:
        """What the session said to the device."""
        return [command.data for command in self.commands if isinstance(command, SendBytes | WriteValue)]

    def run(self, seconds: float) -> "Conversation":
        """Connect, and go on for so long, or until either leaves."""
        self._handle(LinkEstablished(at=self.now, characteristics=frozenset(self.model.characteristics)))
        self._hear(self.model.connected(self.now))
        for step in range(int(seconds * STEPS_PER_SECOND)):
            if self.closed or self.model.finished:
                break
            self.now += timedelta(seconds=1 / STEPS_PER_SECOND)
            self._hear(self.model.step(self.now))
            if step % STEPS_PER_SECOND == STEPS_PER_SECOND - 1:
                self._handle(TimePassed(at=self.now))
        return self

    def _hear(self, said: "list[Said] | tuple[Said, ...]") -> None:
        for one in said:
            if one.characteristic is None:
                self._handle(BytesReceived(at=self.now, data=one.data))
            else:
                self._handle(ValueReceived(at=self.now, characteristic=one.characteristic, data=one.data))

    def _handle(self, event: Event) -> None:
        pending: deque[Event] = deque([event])
        while pending:
            for command in self.session.handle(pending.popleft()):
                self.commands.append(command)
                pending.extend(self._perform(command))

    def _perform(self, command: Command) -> list[Event]:
        match command:
            case SendBytes(data=data):
                self._hear(self.model.received(self.now, data))
            case WriteValue(characteristic=characteristic, data=data):
                self._hear(self.model.received(self.now, data, characteristic))
            case SubscribeTo(characteristic=characteristic):
                self._hear(self.model.subscribed(self.now, characteristic))
            case ReadValue(characteristic=characteristic):
                return [self._read(command, characteristic)]
            case CloseLink():
                self.closed = True
            case Bond():
                pass
        return []

    def _read(self, command: ReadValue, characteristic: str) -> Event:
        try:
            data = self.model.read(self.now, characteristic)
        except KeyError:
            return CommandRefused(at=self.now, command=command, reason="it can't be read")
        return ValueReceived(at=self.now, characteristic=characteristic, data=data)
