"""A Contec oximeter of protocol V7.0 on a serial line, with a clock and recordings of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from device_drivers.date_time import DateTime
from device_drivers.framing import Frame, FrameReader
from device_drivers.oximeters import contec_v7_packets as v7
from device_drivers.oximeters import contec_v7_replies as replies
from device_drivers.oximeters.contec_v7_packets import ControlCommand, HostCommand
from simulators.models.model import Cadence, DeviceModel, Look, Said
from simulators.models.pleth import pleth

PACKETS_PER_SECOND: Final = 60
SILENT_AFTER: Final = timedelta(seconds=5)
STORED_A_STEP: Final = 40
"""Packets; the line carries more."""
NOBODY: Final = replies.Sample(spo2=0, pulse_rate=0)
_PERFUSION: Final = {True: 0, False: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A recording of the device: when it began by the device's own clock (None: it does not know), and a sample a second."""

    samples: tuple[replies.Sample, ...]
    start: DateTime | None = None

    def packets(self, *, with_perfusion: bool) -> Iterator[bytes]:
        """As they are sent; without a perfusion index three samples a packet, the last filled up with zeros."""
        if with_perfusion:
            for one in self.samples:
                yield bytes(
                    replies.StoredWithPerfusion(
                        spo2=one.spo2, pulse_rate=one.pulse_rate, perfusion_index=one.perfusion_index
                    )
                )
            return
        for at in range(0, len(self.samples), replies.SAMPLES_OF_PACKET):
            three = (*self.samples[at : at + 3], NOBODY, NOBODY)[: replies.SAMPLES_OF_PACKET]
            yield bytes(replies.Stored(samples=tuple(replace(one, perfusion_index=None) for one in three)))


class ContecV7(DeviceModel):
    """Silent until asked, and again five seconds after the host's last word. While it sends a recording it answers nothing but the word to stop.

    `recordings` are those of user 0. `heard` are the commands that came, in order. `has_clock`: it takes a date and a time.
    """

    def __init__(
        self,
        look: Look,
        *,
        recordings: Sequence[Stored] = (),
        identity: str = "SIM-V70",
        has_perfusion: bool = True,
        has_clock: bool = True,
    ) -> None:
        super().__init__(look)
        self.recordings = recordings
        self.heard: list[ControlCommand] = []
        self.date: tuple[int, ...] | None = None
        self.time: tuple[int, ...] | None = None
        self._identity = identity
        self._has_perfusion = has_perfusion
        self._has_clock = has_clock
        self._commands = FrameReader(v7.measure_kind(v7.CONTROL, v7.CONTROL_LENGTH))
        self._awake_until: datetime | None = None
        self._live: Cadence | None = None
        self._sending: list[bytes] = []
        self._transfers = False

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._commands.receive_data(data)
        found = [HostCommand.from_bytes(event.data) for event in self._commands.events() if isinstance(event, Frame)]
        return [Said(data=answer) for command in found for answer in self._obey(now, command)]

    def step(self, now: datetime) -> Sequence[Said]:
        if self._awake_until is None or now > self._awake_until:
            self._live, self._transfers = None, False
            return ()
        if self._transfers:
            return self._send()
        moments = self._live.moments(now) if self._live else ()
        frames = [self._packet(now, at) for at in moments]
        return [Said(data=b"".join(frames))] if frames else ()

    def _send(self) -> Sequence[Said]:
        sent, self._sending = self._sending[:STORED_A_STEP], self._sending[STORED_A_STEP:]
        return [Said(data=b"".join(sent))] if sent else ()

    def _packet(self, now: datetime, at: datetime) -> bytes:
        body = self.look(now)
        finger = body.spo2 is not None
        return bytes(
            v7.LivePacket(
                spo2=body.spo2,
                pulse_rate=body.pulse_rate,
                perfusion_index=body.perfusion_index if finger and self._has_perfusion else None,
                waveform=pleth(at, body.pulse_rate, 100) if finger else 0x40,
                bargraph=8 if finger else 0,
                signal_strength=8 if finger else 0,
                probe_error=not finger,
                pi_valid=self._has_perfusion,
            )
        )

    def _obey(self, now: datetime, said: HostCommand) -> list[bytes]:
        self.heard.append(said.command)
        self._awake_until = now + SILENT_AFTER
        if self._transfers and said.command is not ControlCommand.STOP_STORED:
            return []
        match said.command:
            case ControlCommand.START_LIVE:
                self._live = Cadence(PACKETS_PER_SECOND)
                return []
            case ControlCommand.STOP_LIVE:
                self._live = None
                return [bytes(replies.Free())]
            case ControlCommand.STOP_STORED:
                self._transfers, self._sending = False, []
                return [bytes(replies.Free())]
            case ControlCommand.START_STORED if self._live is None:
                self._transfers = True
                self._sending = self._stored_packets(said.arguments[1])
                return []
            case ControlCommand.SET_DATE | ControlCommand.SET_TIME:
                return [self._set(said)]
            case ControlCommand.KEEP_ALIVE:
                return []
        return self._answer(said)

    def _stored_packets(self, segment: int) -> list[bytes]:
        """Damaged ones are a test's business."""
        return list(self.recordings[segment].packets(with_perfusion=self._has_perfusion))

    def _set(self, said: HostCommand) -> bytes:
        if not self._has_clock:
            return bytes(replies.Feedback(command=said.command, reason=replies.UNSUPPORTED))
        if said.command is ControlCommand.SET_DATE:
            self.date = said.arguments[:5]
        else:
            self.time = said.arguments[:3]
        return bytes(replies.Feedback(command=said.command, reason=0))

    def _answer(self, said: HostCommand) -> list[bytes]:
        """What is asked, in one packet or two."""
        user, segment = said.arguments[:2]
        match said.command:
            case ControlCommand.ASK_DEVICE_ID:
                return [bytes(replies.DeviceId(identity=self._identity))]
            case ControlCommand.ASK_PERFUSION_SUPPORT:
                return [bytes(replies.PerfusionFlag(identifier=_PERFUSION[self._has_perfusion]))]
            case ControlCommand.ASK_USERS:
                return [bytes(replies.Users(users=1))]
            case ControlCommand.ASK_HAS_STORED:
                return [bytes(replies.Notice(kind=1, information=bytes((bool(self.recordings), 0, 0, 0, 0, 0))))]
            case ControlCommand.ASK_SEGMENTS:
                return [bytes(replies.Segments(user=user, segments=len(self.recordings)))]
            case ControlCommand.ASK_STORED_LENGTH:
                length = len(self.recordings[segment].samples) * (4 if self._has_perfusion else 2)
                return [bytes(replies.StoredLength(user=user, segment=segment, length_bytes=length))]
            case ControlCommand.ASK_START:
                return self._start(user, segment)
        return [bytes(replies.Feedback(command=said.command, reason=replies.UNSUPPORTED))]

    def _start(self, user: int, segment: int) -> list[bytes]:
        start = self.recordings[segment].start or DateTime(year=0, month=0, day=0, hour=0, minute=0, second=0)
        return [
            bytes(replies.StartDate(user=user, segment=segment, year=start.year, month=start.month, day=start.day)),
            bytes(
                replies.StartTime(user=user, segment=segment, hour=start.hour, minute=start.minute, second=start.second)
            ),
        ]


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"contec-v7": ContecV7}
