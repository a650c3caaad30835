"""Contec oximeters that speak protocol V7.0 (CMS50D+ from firmware 4.6, CMS50E, CMS50F): 115200 baud, 8N1.

Source: Contec, "Communication protocol of pulse oximeter V7.0" (in albertcbraun/CMS50FW); packets are in `contec_v7_packets` and `contec_v7_replies`.
Live packets come 60 times a second after the host asked for them, for as long as it says every five seconds that it is there. Questions may be asked
while they come, one at a time (3.4.2). Live and stored data exclude each other, and during a stored transfer nothing may be asked (3.4.1, 3.4.3):
recordings are read first, where the option `stored` asks for them, and live data begins when the last transfer has been stopped.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from device_drivers.cadence import Cadence
from device_drivers.driver import Driver, Option, SerialSettings, Transport, Verified
from device_drivers.oximeters import contec_v7_packets as v7
from device_drivers.oximeters import contec_v7_replies as replies
from device_drivers.oximeters.contec_v7_formats import FORMATS as PACKET_FORMATS
from device_drivers.oximeters.contec_v7_packets import ControlCommand, LivePacket, control
from device_drivers.oximeters.contec_v7_recording import MOST_BYTES, ClockMemory, Recording, start_of
from device_drivers.oximeters.recording import ATTEMPTS, NOT_READ, STORED, Backlog
from device_drivers.sessions import Command, Deliver, LinkEstablished, ReportStatus, SendBytes, SessionContext
from device_drivers.stream_session import StreamSession
from device_drivers.waveform import Chunks, Scale
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.readings import EARLIEST

KEEP_ALIVE_EVERY: Final = timedelta(seconds=3)
"""The device stops after 5, and time passes in steps of one."""
ASK_AGAIN_AFTER: Final = timedelta(seconds=3)
REPLY_WITHIN: Final = timedelta(seconds=2)
"""The document gives the device one second; so long without the next stored packet, a transfer has failed."""
OVER_AFTER: Final = timedelta(seconds=1)
"""So long after its last packet, a recording that came whole is over: one packet more, and its length was misunderstood."""
SET_TIME: Final = Option(
    name="set_time", default=True, text="set the device's clock, by which its recordings are placed"
)
SCALE: Final = Scale(rate_hz=60, low=0, high=0x7F)
MOST_USERS: Final = 16
_TRANSFER: Final = -1
"""In place of a packet's type: the transfer is over."""
_STORED_TYPES: Final = frozenset({v7.STORED, v7.STORED_WITH_PERFUSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A command, and the types of all the packets that answer it."""

    command: ControlCommand
    arguments: tuple[int, ...] = ()
    replies: tuple[int, ...] = ()


Answers: TypeAlias = Mapping[int, bytes]
"""Packets by type; those that didn't come are missing."""
Talk: TypeAlias = Generator[Ask, Answers, None]


class Session(StreamSession):
    """Reads recordings if asked to, then live packets, of which one a second becomes a reading and each a sample.

    What is asked is written down as generators: each `yield` is a question, and has the answers as its value.
    """

    def __init__(self, context: SessionContext) -> None:
        super().__init__(
            context,
            v7.measure,
            frame_length=v7.PACKET_LENGTHS[v7.LIVE],
            in_a_row=1,
            reason="not_a_packet",
            chunks=Chunks(context.device, SCALE),
        )
        self._cadence = Cadence()
        self._backlog = Backlog()
        self._clock = ClockMemory(context.memory, context.zone)
        self._talk: Talk | None = None
        self._asked: Ask | None = None
        self._answers: dict[int, bytes] = {}
        self._asked_at: datetime | None = None
        self._at = EARLIEST
        self._said: datetime | None = None
        self._heard: datetime | None = None
        self._live_wanted = True
        self._recording: Recording | None = None
        self._not_read = False
        self._faulty = False
        self._identity = ""
        self._has_perfusion = True

    def begin(self, event: LinkEstablished) -> list[Command]:
        self._talk = self._stored_first() if self._option(STORED) else self._live_first()
        return self._go_on(event.at)

    def frame(self, at: datetime, data: bytes) -> list[Command]:
        kind = data[0]
        if kind == v7.LIVE:
            return [*self._live(at, data), *self._answered(at, kind, data)]
        if kind in _STORED_TYPES:
            return self._stored(at, data)
        if kind == v7.FEEDBACK:
            return self._feedback(at, data)
        if kind == v7.DISCONNECT:
            return self._fault(at, "disconnected_by_device")
        if kind == v7.FREE and self._recording is not None:
            kind = _TRANSFER
        return self._answered(at, kind, data)

    def tick(self, at: datetime) -> list[Command]:
        patience = OVER_AFTER if self._recording is not None and self._recording.is_whole else REPLY_WITHIN
        late = self._asked_at is not None and at - self._asked_at >= patience
        commands = self._go_on(at) if late else []
        return [*commands, *self._backlog.next_batch(), *self._keep_awake(at)]

    def _lost(self, at: datetime, count: int) -> list[Command]:
        if self._recording is not None:
            self._recording.damaged = True
        return super()._lost(at, count)

    def _option(self, option: Option) -> bool:
        return bool(self.context.options.get(option.name, option.default))

    def _live_first(self) -> Talk:
        yield Ask(command=ControlCommand.START_LIVE, replies=(v7.LIVE,))
        yield from self._identify()
        yield from self._set_clock()

    def _stored_first(self) -> Talk:
        self._live_wanted = False
        yield Ask(command=ControlCommand.STOP_LIVE, replies=(v7.FREE,))
        yield from self._identify()
        yield from self._read_recordings()
        yield from self._set_clock()
        self._live_wanted = True
        yield Ask(command=ControlCommand.START_LIVE, replies=(v7.LIVE,))

    def _identify(self) -> Talk:
        answers = yield Ask(command=ControlCommand.ASK_DEVICE_ID, replies=(v7.DEVICE_ID,))
        if v7.DEVICE_ID in answers:
            self._identity = replies.DeviceId.from_bytes(answers[v7.DEVICE_ID]).identity
        answers = yield Ask(command=ControlCommand.ASK_PERFUSION_SUPPORT, replies=(v7.PERFUSION_FLAG,))
        if v7.PERFUSION_FLAG in answers:
            self._has_perfusion = replies.PerfusionFlag.from_bytes(answers[v7.PERFUSION_FLAG]).supported

    def _set_clock(self) -> Talk:
        """Date before time, as the document has it. A device that records, or has no clock, refuses."""
        if not self._option(SET_TIME):
            return
        self._clock.is_unknown()
        day = self._at.astimezone(self.context.zone)
        date = (*divmod(day.year, 100), day.month, day.day, day.isoweekday() % 7)
        answers = yield Ask(command=ControlCommand.SET_DATE, arguments=date, replies=(v7.FEEDBACK,))
        if not _was_done(answers):
            return
        at = self._at
        time = at.astimezone(self.context.zone)
        arguments = (time.hour, time.minute, time.second)
        answers = yield Ask(command=ControlCommand.SET_TIME, arguments=arguments, replies=(v7.FEEDBACK,))
        if time.date() != day.date():  # midnight came between the two
            yield from self._set_clock()
        elif _was_done(answers):
            self._clock.was_set(self._identity, at)

    def _read_recordings(self) -> Talk:
        """All of all users. A device that leaves a question of them unanswered is asked no more: live data waits."""
        answers = yield Ask(command=ControlCommand.ASK_HAS_STORED, replies=(v7.NOTICE,))
        if v7.NOTICE in answers and replies.Notice.from_bytes(answers[v7.NOTICE]).has_stored is False:
            return
        answers = yield Ask(command=ControlCommand.ASK_USERS, replies=(v7.USERS,))
        users = replies.Users.from_bytes(answers[v7.USERS]).users if v7.USERS in answers else 1
        for user in range(min(users, MOST_USERS)):
            answers = yield Ask(command=ControlCommand.ASK_SEGMENTS, arguments=(user,), replies=(v7.SEGMENTS,))
            if v7.SEGMENTS not in answers:
                self._not_read = True
                return
            for segment in range(replies.Segments.from_bytes(answers[v7.SEGMENTS]).segments):
                if not (yield from self._read_segment(user, segment)):
                    self._not_read = True
                    return

    def _read_segment(self, user: int, segment: int) -> Generator[Ask, Answers, bool]:
        """Whether the device answered; the recording may be empty, or not come whole."""
        which = (user, segment)
        answers = yield Ask(command=ControlCommand.ASK_STORED_LENGTH, arguments=which, replies=(v7.STORED_LENGTH,))
        if v7.STORED_LENGTH not in answers:
            return False
        length = replies.StoredLength.from_bytes(answers[v7.STORED_LENGTH]).length_bytes
        starts = yield Ask(command=ControlCommand.ASK_START, arguments=which, replies=(v7.START_DATE, v7.START_TIME))
        for _ in range(ATTEMPTS if 0 < length <= MOST_BYTES else 0):
            self._recording = recording = self._new_recording(user, length, starts)
            yield Ask(command=ControlCommand.START_STORED, arguments=which, replies=(_TRANSFER,))
            self._recording = None
            yield Ask(command=ControlCommand.STOP_STORED, replies=(v7.FREE,))
            if recording.is_whole:
                self._backlog.add(recording.readings(self.context.device, self._at))
                return True
        self._not_read |= length > 0
        return True

    def _new_recording(self, user: int, length: int, starts: Answers) -> Recording:
        date, time = starts.get(v7.START_DATE), starts.get(v7.START_TIME)
        start = start_of(
            replies.StartDate.from_bytes(date) if date else None, replies.StartTime.from_bytes(time) if time else None
        )
        offset = self._clock.offset(self._identity, start) if start else None
        return Recording(user=user, length_bytes=length, start=start, offset=offset)

    def _go_on(self, at: datetime) -> list[Command]:
        """Give the answers to whoever asked, and say what comes next."""
        if self._talk is None:
            return []
        try:
            self._at = at
            self._asked = self._talk.send(self._answers) if self._asked else next(self._talk)
        except StopIteration:
            self._talk = self._asked = self._asked_at = None
            return self._say_not_read(at)
        self._answers = {}
        self._asked_at = self._said = at
        return [*self._say_not_read(at), SendBytes(data=control(self._asked.command, self._asked.arguments))]

    def _say_not_read(self, at: datetime) -> list[Command]:
        if not self._not_read:
            return []
        self._not_read = False
        return [ReportStatus(at=at, faults=(NOT_READ,))]

    def _answered(self, at: datetime, kind: int, data: bytes) -> list[Command]:
        if self._asked is None or kind not in self._asked.replies:
            return []
        self._answers[kind] = data
        return self._go_on(at) if len(self._answers) == len(self._asked.replies) else []

    def _keep_awake(self, at: datetime) -> list[Command]:
        if self._said is not None and at - self._said < KEEP_ALIVE_EVERY:
            return []
        self._said = at
        silent = self._heard is None or at - self._heard > ASK_AGAIN_AFTER
        again = self._live_wanted and silent
        return [SendBytes(data=control(ControlCommand.START_LIVE if again else ControlCommand.KEEP_ALIVE))]

    def _live(self, at: datetime, data: bytes) -> list[Command]:
        self._heard = at
        good = [ReportStatus(at=at)] if self._faulty else []
        self._faulty = False
        packet = LivePacket.from_bytes(data)
        commands: list[Command] = [*good, *self.sample(at, packet.sample)]
        if self._cadence.decides(at, packet.state):
            reading = packet.reading(self.context.device, raw=data, at=at, has_perfusion=self._has_perfusion)
            commands.append(Deliver(readings=(reading,)))
        return commands

    def _stored(self, at: datetime, data: bytes) -> list[Command]:
        """A stored sample; one that nobody asked for is of a transfer that an earlier connection began."""
        if self._recording is None:
            return self._stop_stored(at)
        self._asked_at = at
        self._recording.add(data)
        return self._answered(at, _TRANSFER, data) if self._recording.is_over else []

    def _stop_stored(self, at: datetime) -> list[Command]:
        if self._said is not None and at - self._said < REPLY_WITHIN:
            return []
        self._said = at
        return [SendBytes(data=control(ControlCommand.STOP_STORED))]

    def _feedback(self, at: datetime, data: bytes) -> list[Command]:
        """What became of a command. Only live data that the device does not give is a fault, and what nobody asked for."""
        feedback = replies.Feedback.from_bytes(data)
        fault = replies.fault(feedback.reason)
        asked = self._asked
        if asked is None or feedback.command != asked.command:
            return self._fault(at, fault) if fault is not None else []
        if v7.FEEDBACK in asked.replies:
            return self._answered(at, v7.FEEDBACK, data)
        said = self._fault(at, fault) if fault is not None and v7.LIVE in asked.replies else []
        is_over = fault is not None or v7.FREE in asked.replies
        return [*said, *self._go_on(at)] if is_over else said

    def _fault(self, at: datetime, fault: str) -> list[Command]:
        self._faulty = True
        return [ReportStatus(at=at, faults=(fault,))]


def _was_done(answers: Answers) -> bool:
    return v7.FEEDBACK in answers and replies.Feedback.from_bytes(answers[v7.FEEDBACK]).reason == 0


FORMATS: Final = PACKET_FORMATS
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="contec-v7",
        title="Contec CMS50D+ / CMS50E / CMS50F pulse oximeter, protocol V7.0",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=115200),
        formats=tuple(entry.key for entry in PACKET_FORMATS),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT, Verified.CAPTURE),
        stale_after_seconds=10,
        options=(SET_TIME, STORED),
        missing="the device's clock can't be read: what it recorded before this gateway set it is of an uncertain time",
    ),
)
