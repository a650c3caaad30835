"""The conversation with TaiDoc's and FORA's devices, which is the same for all of them: model, clock, number of records, then time and value of each.

Number 0 is the newest record: they are asked for in this order, until one that the shell's memory knows. Nothing starts a measurement or turns
the device off. Source: the programs that `device_drivers.cuffs.taidoc` names; the clock (23, 33) h2SyncLib and glucometerutils.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto, unique
from typing import Final

from device_drivers.clocks import offset_of, place
from device_drivers.cuffs import taidoc
from device_drivers.cuffs.taidoc import (
    CONNECT,
    COUNT_RECORDS,
    READ_CLOCK,
    READ_MODEL,
    READ_NOW,
    READ_RECORD_TIME,
    READ_RECORD_VALUE,
    SET_CLOCK,
    Frame,
    RecordTime,
)
from device_drivers.date_time import DateTime
from device_drivers.driver import Option
from device_drivers.errors import Malformed
from device_drivers.sessions import (
    CloseLink,
    Command,
    Deliver,
    LinkEstablished,
    ReportRefused,
    SendBytes,
    SessionContext,
    WriteValue,
)
from device_drivers.stream_session import StreamSession
from vitals.parameters import Vital
from vitals.readings import Reading, Value

SERVICE: Final = "00001523-1212-efde-1523-785feabcd123"
CHARACTERISTIC: Final = "00001524-1212-efde-1523-785feabcd123"
ANSWER_SECONDS: Final = 2.0
ATTEMPTS: Final = 3
HIGHEST_USER: Final = 4
_NEWEST: Final = "taidoc_newest"
"""In the shell's memory: time and value of the newest record of the last whole reading."""

SET_TIME: Final = Option(name="set_time", default=False, text="set the device's clock after it was read")
USER: Final = Option(
    name="user",
    default=0,
    low=0,
    high=HIGHEST_USER,
    text="whose records of a cuff with several users; 0 where it has none",
)
LIVE: Final = Option(
    name="live", default=False, text="stay connected and ask once a second for the present numbers (one source)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a device measures. `values` makes them of a record's value and time; it raises Malformed for one that is not of the kind."""

    vital: Vital
    values: Callable[[bytes, RecordTime | None, int | None], tuple[Value, ...]]


@unique
class Step(Enum):
    """What is waited for."""

    MODEL = auto()
    CLOCK = auto()
    COUNT = auto()
    TIME = auto()
    VALUE = auto()
    CLOCK_SET = auto()
    LIVE = auto()
    OVER = auto()


class Session(StreamSession):
    """One connection. That the device says that it listens changes nothing: it is asked already. A value counts only where the time of its record came before it; what is not answered is
    asked for again; where that is a record, the conversation ends then, and the next begins anew."""

    def __init__(self, context: SessionContext, *, kind: Kind, characteristic: str | None = CHARACTERISTIC) -> None:
        super().__init__(context, taidoc.measure, notify=characteristic)
        self._kind = kind
        self._where = characteristic
        self._step = Step.MODEL
        self._asked: datetime | None = None
        self._attempts = 0
        self._model: int | None = None
        self._offset: timedelta | None = None
        self._number = 0
        self._records = 0
        self._time: bytes | None = None
        self._first: bytes | None = None

    def begin(self, event: LinkEstablished) -> list[Command]:
        """A meter on a serial line is connected to first."""
        connecting = self._send(CONNECT) if self._where is None else []
        return [*connecting, *self._ask(Step.MODEL, event.at)]

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        reply = Frame.from_bytes(data)
        match reply.cmd:
            case taidoc.READ_RECORD_TIME:
                self._time = data
                yield from self._if_waited_for(Step.TIME, at)
            case taidoc.READ_RECORD_VALUE:
                yield from self._value(at, data)
            case taidoc.READ_NOW:
                yield from self._present(at, data)
            case _:
                yield from self._told(at, reply, data)

    def _told(self, at: datetime, reply: Frame, data: bytes) -> Iterable[Command]:
        number = int.from_bytes(reply.data[:2], "little")
        if reply.cmd == READ_MODEL:
            self._model = number
            return self._if_waited_for(Step.MODEL, at)
        if reply.cmd == READ_CLOCK:
            self._offset = offset_of(RecordTime.from_bytes(data).timestamp, at)
            return self._if_waited_for(Step.CLOCK, at)
        if reply.cmd == COUNT_RECORDS and self._step is Step.COUNT:
            self._records = number
            return self._next(at)
        return self._if_waited_for(Step.CLOCK_SET, at) if reply.cmd == SET_CLOCK else ()

    def _if_waited_for(self, step: Step, at: datetime) -> list[Command]:
        return self._after(at) if self._step is step else []

    def _value(self, at: datetime, data: bytes) -> Iterator[Command]:
        time, self._time = self._time, None
        if time is None:
            raise Malformed("value_without_time")
        awaited = self._step is Step.VALUE
        if awaited and self._knows(time + data):
            self._records = 0
        else:
            yield self._delivered(at, time, data)
        if awaited:
            self._number += 1
            yield from self._next(at)

    def _knows(self, record: bytes) -> bool:
        """Whether the last reading began with this record; the first of this one is kept."""
        self._first = self._first or record
        return self.context.memory.get(_NEWEST) == record.hex()

    def _delivered(self, at: datetime, time: bytes, data: bytes) -> Command:
        try:
            return Deliver(readings=(self._reading(at, data, time),))
        except Malformed as refusal:
            return ReportRefused(at=at, reason=refusal.reason, discarded=len(time + data))

    def _reading(self, at: datetime, data: bytes, time: bytes = b"") -> Reading:
        record = RecordTime.from_bytes(time) if time else None
        timestamp = record.timestamp if record else None
        placed = place(timestamp, at=at, zone=self.context.zone, offset=self._offset)
        user = self._user
        return Reading(
            data_type=self._kind.vital,
            device=self.context.device,
            values=self._kind.values(data, record, self._model),
            measured=placed.measured,
            received=at,
            raw=time + data,
            device_time=timestamp.moment if timestamp else None,
            time_uncertain=placed.uncertain,
            stored=placed.stored,
            user=user or None,
        )

    @property
    def _user(self) -> int:
        return int(self.context.options.get(USER.name, USER.default))

    def _present(self, at: datetime, data: bytes) -> Iterator[Command]:
        if self._step is Step.LIVE:
            yield Deliver(readings=(self._reading(at, data),))

    def _next(self, at: datetime) -> list[Command]:
        """The next record, or what comes after the last."""
        if self._number < self._records:
            return self._ask(Step.TIME, at)
        if self._first is not None:
            self.context.memory[_NEWEST] = self._first.hex()
        if self.context.options.get(SET_TIME.name, SET_TIME.default):
            return self._ask(Step.CLOCK_SET, at)
        return self._end(at)

    def _end(self, at: datetime) -> list[Command]:
        if self.context.options.get(LIVE.name, LIVE.default):
            return self._ask(Step.LIVE, at)
        self._step = Step.OVER
        return [CloseLink()]

    def _after(self, at: datetime) -> list[Command]:
        """What follows the present step, answered or not."""
        match self._step:
            case Step.MODEL:
                return self._ask(Step.CLOCK, at)
            case Step.CLOCK:
                return self._ask(Step.COUNT, at)
            case Step.TIME:
                return self._ask(Step.VALUE, at)
            case _:
                return self._end(at)

    def tick(self, at: datetime) -> list[Command]:
        if self._asked is None or self._step is Step.OVER:
            return []
        if self._step is Step.LIVE:
            return self._words(at)
        if (at - self._asked).total_seconds() < ANSWER_SECONDS:
            return []
        if self._attempts < ATTEMPTS:
            self._asked, self._attempts = at, self._attempts + 1
            return self._words(at)
        return self._unanswered(at)

    def _unanswered(self, at: datetime) -> list[Command]:
        if self._step in (Step.MODEL, Step.CLOCK):
            return self._after(at)
        refused = ReportRefused(at=at, reason="no_answer", discarded=0)
        if self._step is Step.CLOCK_SET:
            return [refused, *self._end(at)]
        self._step = Step.OVER
        return [refused, CloseLink()]

    def _ask(self, step: Step, at: datetime) -> list[Command]:
        self._step, self._asked, self._attempts = step, at, 1
        return self._words(at)

    def _words(self, at: datetime) -> list[Command]:
        number, user = self._number.to_bytes(2, "little"), self._user
        if self._step is Step.CLOCK_SET:
            time = RecordTime(timestamp=DateTime.of(at.astimezone(self.context.zone)))
            return self._send(SET_CLOCK, time.data)
        commands = {
            Step.MODEL: (READ_MODEL, bytes(4)),
            Step.CLOCK: (READ_CLOCK, bytes(4)),
            Step.COUNT: (COUNT_RECORDS, bytes((user, 0, 0, 0))),
            Step.TIME: (READ_RECORD_TIME, number + bytes((0, user))),
            Step.VALUE: (READ_RECORD_VALUE, number + bytes((0, user))),
            Step.LIVE: (READ_NOW, bytes(4)),
        }
        return self._send(*commands[self._step])

    def _send(self, cmd: int, data: bytes = bytes(4)) -> list[Command]:
        frame = taidoc.request(cmd, data)
        if self._where is None:
            return [SendBytes(data=frame)]
        return [WriteValue(characteristic=self._where, data=frame)]
