"""The conversation with Viatom's BP2 cuffs: read the clock, take stored measurements where that is wanted, set the clock, then look once a second.

A result is repeated for as long as the cuff shows it: it is delivered once, when it is new, also where the connection was lost meanwhile. With the option `stored` results come from the cuff's list alone,
with their time and user: as soon as the cuff shows one the list is fetched (the cuff shows that it is), and what was not there before is delivered. A
measurement that failed is in no list, and is taken as it is shown. The list is not to be had while the cuff measures; it is asked for again. Nothing here
starts a measurement. Sources as in `lepu_bp2`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from device_drivers.advertisement import Marks
from device_drivers.clocks import offset_of
from device_drivers.cuffs import lepu_bp2
from device_drivers.cuffs.lepu_bp2 import BUSY_STATES, RealTime
from device_drivers.cuffs.lepu_bp2_list import BloodPressureList, Record
from device_drivers.date_time import DateTime
from device_drivers.driver import UNVERIFIED, Driver, Option, Transport, Verified
from device_drivers.errors import Undecodable
from device_drivers.format import AnyFormat
from device_drivers.oximeters.lepu_frames import ANSWER, MEASURE, DeviceInfo, Message, request
from device_drivers.oximeters.questions import Questions
from device_drivers.sessions import (
    Command,
    Deliver,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SessionContext,
    WriteValue,
)
from device_drivers.sig.session import SET_TIME
from device_drivers.stream_session import StreamSession
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading

SERVICE: Final = "14839ac4-7d7e-415c-9a42-167340cf2339"
WRITE: Final = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
NOTIFY: Final = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
FILE_NAME: Final = b"bp2nibp.list"
NAME_LENGTH: Final = 20
FILE_LIMIT: Final = 64 * 1024
"""Bytes of the list: 1,700 measurements."""
ATTEMPTS: Final = 3
RETRY_AFTER: Final = timedelta(seconds=5)
LAST_SEQ: Final = 254
STORED: Final = Option(
    name="stored", default=False, text="take measurements from the cuff's list, with their time and user"
)
SHORT_LAYOUT: Final = "what a cuff shows in fewer than 32 bytes, by one source's layout"
_SHOWN: Final = "bp2_shown"
"""In the shell's memory: the numbers of the result that was delivered last as it was shown."""
_FILE_COMMANDS: Final = frozenset({lepu_bp2.FILE_OPEN, lepu_bp2.FILE_READ, lepu_bp2.FILE_CLOSE})


class Session(StreamSession):
    """One connection."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, MEASURE, notify=NOTIFY)
        self._questions: Questions[Message] = Questions()
        self._seq = 0
        self._offset: timedelta | None = None
        self._unverified = bool(context.options.get(UNVERIFIED.name, UNVERIFIED.default))
        self._stored = bool(context.options.get(STORED.name, STORED.default))
        self._list_wanted = self._stored
        self._list = bytearray()
        self._size = 0
        self._attempts = 0
        self._result_awaited = False
        self._list_not_before: datetime | None = None
        self._known: set[Record] = set()
        self._clock_due = bool(context.options.get(SET_TIME.name, SET_TIME.default))
        self._shown: bytes | None = None
        self._was_idle = False
        self._charge: tuple[int, int] | None = None

    def begin(self, event: LinkEstablished) -> Iterable[Command]:
        self._put(lepu_bp2.INFO)
        return self._ask(event.at)

    def tick(self, at: datetime) -> Iterable[Command]:
        overdue = self._questions.overdue(at)
        if overdue is not None and overdue.cmd in (lepu_bp2.FILE_OPEN, lepu_bp2.FILE_READ):
            yield from self._list_failed(at, "list_unanswered")
        if self._questions.idle:
            self._put(lepu_bp2.REAL_TIME)
        yield from self._ask(at)

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        message = lepu_bp2.decode(data)
        asked = self._questions.asked
        awaited = asked is not None and _answers(message, asked)
        if awaited:
            self._questions.answered()
        match message.content:
            case DeviceInfo() as info if awaited:
                self._informed(at, info)
            case RealTime() as live if live.status is None and not self._unverified:
                yield ReportRefused(at=at, reason="unverified_layout", discarded=len(data))
            case RealTime() as live:
                yield from self._live(at, live, data)
            case content if awaited and message.cmd in _FILE_COMMANDS:
                yield from self._listed(at, message, bytes(content))
            case _ if awaited and message.cmd == lepu_bp2.SET_TIME and message.flag == ANSWER:
                self._offset = _offset_of_zone(at, self.context.zone)
        yield from self._ask(at)

    def _informed(self, at: datetime, info: DeviceInfo) -> None:
        self._offset = offset_of(info.timestamp, at)
        if not self._stored:
            self._set_clock()

    def _set_clock(self) -> None:
        """Once, and not before the list was taken: what is in it has been measured by the clock as it was."""
        if not self._clock_due:
            return
        self._clock_due = False
        self._put(lepu_bp2.SET_TIME)

    def _live(self, at: datetime, live: RealTime, data: bytes) -> Iterator[Command]:
        yield from self._charged(at, live)
        if not live.is_result:
            self._shown, self._was_idle = None, True
        elif self._is_new(live):
            if not self._stored or live.error:
                yield from self._deliver(at, live, data)
            elif self._was_idle:
                self._list_wanted = self._result_awaited = True
        may_be_had = self._list_not_before is None or at >= self._list_not_before
        if self._list_wanted and may_be_had and self._questions.idle and not _is_busy(live):
            self._list_wanted = False
            self._put(lepu_bp2.FILE_OPEN, FILE_NAME.ljust(NAME_LENGTH, b"\0"))

    def _deliver(self, at: datetime, live: RealTime, data: bytes) -> Iterator[Command]:
        """A result as it is shown; not where an earlier connection has delivered it and nothing was seen to be measured since."""
        numbers = (self._shown or b"").decode()
        if self._was_idle or self.context.memory.get(_SHOWN) != numbers:
            yield Deliver(readings=(self._reading(at, live, data),))
            self.context.memory[_SHOWN] = numbers

    def _is_new(self, live: RealTime) -> bool:
        """Whether this result was not shown before; what was read with it (the charge, the pressure in the cuff) changes nothing."""
        numbers = f"{live.systolic} {live.diastolic} {live.mean} {live.pulse_rate} {live.error}".encode()
        is_new, self._shown = numbers != self._shown, numbers
        return is_new

    def _reading(self, at: datetime, live: RealTime, data: bytes) -> Reading:
        """A result that was shown when the connection began may be of any time."""
        return Reading(
            data_type=Vital.BLOOD_PRESSURE,
            device=self.context.device,
            values=live.values,
            measured=at,
            received=at,
            raw=data[:RAW_LIMIT],
            stored=not self._was_idle,
            time_uncertain=not self._was_idle,
        )

    def _charged(self, at: datetime, live: RealTime) -> Iterator[Command]:
        charge = live.battery, live.battery_state
        if charge != self._charge and live.battery <= 100:
            self._charge = charge
            faults = ("low_battery",) if live.battery_state == lepu_bp2.LOW_BATTERY else ()
            yield ReportStatus(at=at, battery_percent=live.battery, faults=faults)

    def _listed(self, at: datetime, message: Message, data: bytes) -> Iterator[Command]:
        """The next step of fetching the list: open, read until all is there, close."""
        if message.cmd == lepu_bp2.FILE_CLOSE:
            return
        if message.cmd == lepu_bp2.FILE_OPEN:
            self._list.clear()
            self._size = int.from_bytes(data[:4], "little")
        else:
            self._list += data
        failed = message.flag != ANSWER or self._size > FILE_LIMIT or (message.cmd == lepu_bp2.FILE_READ and not data)
        if not failed and len(self._list) < self._size:
            self._put(lepu_bp2.FILE_READ, len(self._list).to_bytes(4, "little"))
            return
        yield from self._list_failed(at, "list_refused") if failed else self._complete(at)

    def _list_failed(self, at: datetime, reason: str) -> Iterator[Command]:
        """Close it, and ask again later, but not for ever: a model without such a list would show all the time that it transfers one. Then results are taken as
        they are shown."""
        self._put(lepu_bp2.FILE_CLOSE)
        self._attempts += 1
        self._list_wanted, self._list_not_before = self._attempts < ATTEMPTS, at + RETRY_AFTER
        if not self._list_wanted:
            self._stored, self._shown = False, None
            self._set_clock()
        yield ReportRefused(at=at, reason=reason, discarded=len(self._list))

    def _complete(self, at: datetime) -> Iterator[Command]:
        """All of the list is here; a new result that isn't in it yet is looked for again."""
        try:
            file = BloodPressureList.from_bytes(bytes(self._list[: self._size])) if self._size else BloodPressureList()
        except Undecodable as refusal:
            yield from self._list_failed(at, refusal.reason)
            return
        fresh = [record for record in file.measured if record not in self._known]
        self._known.update(fresh)
        if fresh:
            yield Deliver(readings=tuple(record.reading(self.context, at=at, offset=self._offset) for record in fresh))
        elif self._result_awaited:
            yield from self._list_failed(at, "result_not_in_list")
            return
        self._attempts, self._result_awaited = 0, False
        self._put(lepu_bp2.FILE_CLOSE)
        self._set_clock()

    def _put(self, cmd: int, data: bytes = b"") -> None:
        self._seq = self._seq % LAST_SEQ + 1
        self._questions.put(request(cmd, data, seq=self._seq))

    def _ask(self, at: datetime) -> list[Command]:
        message = self._questions.next(at)
        return [] if message is None else [WriteValue(characteristic=WRITE, data=bytes(self._timely(at, message)))]

    def _timely(self, at: datetime, message: Message) -> Message:
        """The setting of the clock may have waited: its time is that of its sending."""
        if message.cmd != lepu_bp2.SET_TIME:
            return message
        return request(message.cmd, bytes(DateTime.of(at.astimezone(self.context.zone))), seq=message.seq)


def _answers(message: Message, asked: Message) -> bool:
    """Whether it is the answer to that question: of a file's parts the very one, for a late one would shift all that follows."""
    return message.cmd == asked.cmd and (message.cmd != lepu_bp2.FILE_READ or message.seq == asked.seq)


def _is_busy(live: RealTime) -> bool:
    return live.status is not None and live.status.state in BUSY_STATES


def _offset_of_zone(at: datetime, zone: tzinfo) -> timedelta:
    """The offset of a clock that shows a zone's time."""
    return at.astimezone(UTC).replace(tzinfo=None) - at.astimezone(zone).replace(tzinfo=None)


FORMATS: Final[tuple[AnyFormat, ...]] = ()
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="lepu-bp2",
        title="Viatom BP2, BP2A, BP2T, BP2W, LP-BP2W (Checkme BP2)",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        formats=("lepu-bp2", "lepu-bp2-list"),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.MEAN, Parameter.CUFF_PULSE_RATE),
        marks=(Marks(names=("BP2", "LP-BP2", "Checkme BP2")),),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT, Verified.ONE_SOURCE),
        sleeps=True,
        stale_after_seconds=30,
        options=(SET_TIME, STORED),
        missing="the electrocardiogram; stored measurements of BP2, BP2A and BP2T, which keep each in a file of its own",
        unverified=("byte 8 of a stored measurement as a sign of an irregular pulse", SHORT_LAYOUT),
    ),
)
