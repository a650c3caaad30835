"""The conversation with Omron's Bluetooth cuffs: unlock, begin, read the clock, read every slot, end.

The memory is read and never written: neither the clock is set nor the counter of unread records put back, as other programs do, since
both are writes to a memory that also holds the sensor's calibration. Every slot is read each time; the hub knows the records that it has.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import Enum, auto, unique
from typing import Final

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.clocks import offset_of, place
from device_drivers.cuffs import omron_frames
from device_drivers.cuffs.omron_frames import BEGUN, ENDED, READ, SERVICE, SINGLE_CHANNEL_SERVICE, UNLOCK, Reply
from device_drivers.cuffs.omron_models import MODELS, NAMES, Model, Unlock
from device_drivers.cuffs.omron_records import EMPTY, POSITION
from device_drivers.driver import UNVERIFIED, Driver, Option, Transport, Verified
from device_drivers.errors import Undecodable
from device_drivers.format import AnyFormat
from device_drivers.sessions import (
    Bond,
    CloseLink,
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
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.readings import Reading

COMPANY: Final = 0x020E
"""Omron Healthcare, as the Bluetooth SIG assigned it."""
MODEL_NUMBER: Final = uuids.sig(0x2A24)
KEY_LENGTH: Final = 16
ANSWER_SECONDS: Final = 2.0
ATTEMPTS: Final = 5
TOKEN_WRITE_LENGTH: Final = 20
_PAIRED: Final = "omron_paired"
"""In the shell's memory: the key has been written into the cuff."""

MODEL: Final = Option(
    name="model",
    default="",
    text=f"where it isn't what the cuff says of itself; one of {', '.join(NAMES)}, or a variant",
)
KEY: Final = Option(name="key", default="", text="32 hexadecimal digits: the key that is, or will be, in an older cuff")
PAIR: Final = Option(
    name="pair", default=False, text="write the key into a cuff that shows a blinking P; once, on the first connection"
)


@unique
class Step(Enum):
    """What is waited for."""

    MODEL = auto()
    PAIRING_MODE = auto()
    KEY_WRITTEN = auto()
    UNLOCKED = auto()
    BEGUN = auto()
    CLOCK = auto()
    SLOTS = auto()
    ENDED = auto()
    OVER = auto()


class Session:
    """One connection. Every step is asked for again, up to `ATTEMPTS` times, while its answer is missing."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._step = Step.MODEL
        self._asked: datetime | None = None
        self._attempts = 0
        self._model: Model | None = None
        self._frames = omron_frames.Assembler(())
        self._reads: list[tuple[int, int, int]] = []
        self._offset: timedelta | None = None
        self._token = b""

    def handle(self, event: Event) -> list[Command]:
        return list(self._answer(event))

    def _answer(self, event: Event) -> Iterable[Command]:
        match event:
            case LinkEstablished():
                return self._begin(event)
            case ValueReceived() if event.characteristic == MODEL_NUMBER:
                return self._named(event.at, event.data.decode(errors="replace"))
            case ValueReceived() if event.characteristic == UNLOCK:
                return self._unlock_answered(event.at, event.data)
            case ValueReceived() if self._model is not None and event.characteristic in self._model.from_cuff:
                return self._piece(event)
            case CommandRefused(command=ReadValue()):
                return self._named(event.at, "")
            case TimePassed():
                return self._waited(event.at)
            case _:
                return ()

    def _begin(self, event: LinkEstablished) -> Iterator[Command]:
        name = str(self._context.options.get(MODEL.name, MODEL.default))
        if not name and MODEL_NUMBER in event.characteristics:
            yield ReadValue(characteristic=MODEL_NUMBER)
            return
        yield from self._named(event.at, name)

    def _named(self, at: datetime, name: str) -> Iterator[Command]:
        """The model is known, or it is not and the conversation over."""
        model = MODELS.get(name.strip(" \0"))
        if self._step is not Step.MODEL:
            return
        if model is None:
            yield from self._give_up(at, "unknown_model")
        elif model.unlock is Unlock.KEY and len(self._key) != KEY_LENGTH:
            yield from self._give_up(at, "no_pairing_key")
        else:
            yield from self._open(at, model)

    def _open(self, at: datetime, model: Model) -> Iterator[Command]:
        self._model, self._reads = model, model.reads()
        self._frames = omron_frames.Assembler(model.from_cuff)
        yield Bond()
        for channel in model.from_cuff:
            yield SubscribeTo(characteristic=channel)
        if model.unlock is Unlock.NOTHING:
            yield from self._ask(Step.BEGUN, at)
            return
        self._token = int(at.timestamp()).to_bytes(8, "big")[-4:]
        yield SubscribeTo(characteristic=UNLOCK)
        yield from self._ask(Step.PAIRING_MODE if self._must_pair(model) else Step.UNLOCKED, at)

    @property
    def _key(self) -> bytes:
        try:
            return bytes.fromhex(str(self._context.options.get(KEY.name, KEY.default)))
        except ValueError:
            return b""

    def _must_pair(self, model: Model) -> bool:
        wanted = bool(self._context.options.get(PAIR.name, PAIR.default))
        return wanted and model.unlock is Unlock.KEY and _PAIRED not in self._context.memory

    def _ask(self, step: Step, at: datetime) -> list[Command]:
        self._step, self._asked, self._attempts = step, at, 1
        return self._words(step)

    def _words(self, step: Step) -> list[Command]:
        """What asks for the answer that `step` waits for."""
        assert self._model is not None  # noqa: S101 - nothing is asked before
        match step:
            case Step.PAIRING_MODE:
                return [WriteValue(characteristic=UNLOCK, data=b"\x02" + bytes(KEY_LENGTH))]
            case Step.KEY_WRITTEN:
                return [WriteValue(characteristic=UNLOCK, data=b"\x00" + self._key)]
            case Step.UNLOCKED if self._model.unlock is Unlock.TOKEN:
                return [
                    WriteValue(characteristic=UNLOCK, data=(b"\x11" + self._token).ljust(TOKEN_WRITE_LENGTH, b"\0"))
                ]
            case Step.UNLOCKED:
                return [WriteValue(characteristic=UNLOCK, data=b"\x01" + self._key)]
            case _:
                pieces = omron_frames.pieces(self._request(step, self._model), self._model.to_cuff)
                return [WriteValue(characteristic=channel, data=piece) for channel, piece in pieces]

    def _request(self, step: Step, model: Model) -> bytes:
        if step is Step.CLOCK and model.clock is not None:
            return omron_frames.read(model.clock.address, model.clock.SIZE)
        if step is Step.SLOTS:
            address, size, _ = self._reads[0]
            return omron_frames.read(address, size)
        return omron_frames.begin() if step is Step.BEGUN else omron_frames.end()

    def _unlock_answered(self, at: datetime, data: bytes) -> Iterator[Command]:
        """An answer of another step is a late one."""
        token = self._model is not None and self._model.unlock is Unlock.TOKEN
        awaited = {Step.PAIRING_MODE: 0x82, Step.KEY_WRITTEN: 0x80, Step.UNLOCKED: 0x91 if token else 0x81}
        if self._step not in awaited or data[:1] != bytes((awaited[self._step],)):
            return
        if data[1:2] != b"\0" or (token and data[2:6] != self._token):
            yield from self._locked(at, "unlock_refused")
            return
        if self._step is Step.KEY_WRITTEN:
            self._context.memory[_PAIRED] = "yes"
        following = {Step.PAIRING_MODE: Step.KEY_WRITTEN, Step.KEY_WRITTEN: Step.UNLOCKED, Step.UNLOCKED: Step.BEGUN}
        yield from self._ask(following[self._step], at)

    def _locked(self, at: datetime, fault: str) -> list[Command]:
        """A cuff that doesn't pair may have been paired before, and have the key."""
        return self._ask(Step.UNLOCKED, at) if self._step is Step.PAIRING_MODE else self._give_up(at, fault)

    def _piece(self, event: ValueReceived) -> Iterator[Command]:
        frame = self._frames.receive(event.characteristic, event.data)
        if frame is None:
            return
        try:
            reply = Reply.from_bytes(frame)
        except Undecodable as refusal:
            yield ReportRefused(at=event.at, reason=refusal.reason, discarded=len(frame))
            return
        yield from self._replied(event.at, reply)

    def _replied(self, at: datetime, reply: Reply) -> Iterator[Command]:
        """A reply to another question is a late one; the end, unasked, is how the cuff refuses."""
        if self._step is Step.BEGUN and reply.type == BEGUN and not reply.status:
            clock = self._model.clock if self._model else None
            yield from self._ask(Step.CLOCK if clock else Step.SLOTS, at)
        elif self._step is Step.CLOCK and self._is_of(reply):
            self._read_clock(at, reply)
            yield from self._ask(Step.SLOTS, at)
        elif self._step is Step.SLOTS and self._is_of(reply):
            yield from self._slots(at, reply.data, self._reads.pop(0)[2])
            yield from self._ask(Step.SLOTS if self._reads else Step.ENDED, at)
        elif self._step is Step.ENDED and reply.type == ENDED:
            self._step = Step.OVER
            yield ReportStatus(at=at)
            yield CloseLink()
        elif self._step in (Step.BEGUN, Step.CLOCK, Step.SLOTS) and reply.type in (BEGUN, ENDED) and reply.status:
            yield from self._give_up(at, "refused_by_device")

    def _is_of(self, reply: Reply) -> bool:
        """Whether it has what was asked for: of slots all, for one that isn't told would be lost."""
        clock = self._model.clock if self._model else None
        if self._step is Step.CLOCK and clock:
            return reply.type == READ and reply.address == clock.address
        address, size, _ = self._reads[0]
        return (reply.type, reply.address, len(reply.data), reply.status) == (READ, address, size, 0)

    def _read_clock(self, at: datetime, reply: Reply) -> None:
        clock = self._model.clock if self._model else None
        if clock is not None and len(reply.data) >= clock.SIZE and not reply.status:
            self._offset = offset_of(clock.time(reply.data[: clock.SIZE]), at)

    def _slots(self, at: datetime, data: bytes, user: int) -> Iterator[Command]:
        assert self._model is not None  # noqa: S101 - slots are of a model
        length = self._model.slot_length
        readings = []
        for start in range(0, len(data) - length + 1, length):
            try:
                readings.append(self._reading(at, data[start : start + length], user, self._model))
            except Undecodable as refusal:
                if refusal.reason != EMPTY:
                    yield ReportRefused(at=at, reason=refusal.reason, discarded=length)
        if readings:
            yield Deliver(readings=tuple(readings))

    def _reading(self, at: datetime, slot: bytes, user: int, model: Model) -> Reading:
        record = model.record.from_bytes(slot)
        return record.reading(
            self._context.device,
            raw=slot,
            at=at,
            placed=place(record.timestamp, at=at, zone=self._context.zone, offset=self._offset),
            user=user if len(model.starts) > 1 else None,
            unverified=bool(self._context.options.get(UNVERIFIED.name, UNVERIFIED.default)),
        )

    def _waited(self, at: datetime) -> Iterator[Command]:
        if self._asked is None or self._step is Step.OVER or (at - self._asked).total_seconds() < ANSWER_SECONDS:
            return
        if self._attempts < ATTEMPTS:
            self._asked, self._attempts = at, self._attempts + 1
            yield from self._words(self._step)
        elif self._step is Step.CLOCK:
            yield from self._ask(Step.SLOTS, at)
        else:
            yield from self._locked(at, "no_answer")

    def _give_up(self, at: datetime, fault: str) -> list[Command]:
        self._step = Step.OVER
        return [ReportStatus(at=at, faults=(fault,)), CloseLink()]


FORMATS: Final[tuple[AnyFormat, ...]] = ()
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="omron-ble",
        title=f"Omron blood pressure cuff, memory over Bluetooth: {', '.join(NAMES)}",
        device_type=DeviceType.BLOOD_PRESSURE_MONITOR,
        transport=Transport.BLE,
        formats=("omron-14le", "omron-14be", "omron-14be-6232t", "omron-rx"),
        measures=(Parameter.SYSTOLIC, Parameter.DIASTOLIC, Parameter.CUFF_PULSE_RATE),
        marks=(
            Marks(names=("BLEsmart_", "HEM-")),
            Marks(services=frozenset({SERVICE, SINGLE_CHANNEL_SERVICE})),
            Marks(companies=frozenset({COMPANY})),
        ),
        session=Session,
        verified=(Verified.CAPTURE, Verified.SECOND_SOURCE),
        sleeps=True,
        stale_after_seconds=300,
        options=(MODEL, KEY, PAIR),
        unverified=(POSITION,),
        missing=(
            "nothing is written to the cuff's memory: the clock is not set, and the counter of unread records is not put back; "
            "every slot is read each time; models other than those of the option `model`, and those that encrypt"
        ),
    ),
)
