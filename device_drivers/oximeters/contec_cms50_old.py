"""The conversation with Contec's older oximeters (frames: `contec_cms50`): they speak unasked, and hand out their recording when they are asked.

`F5 F5` asks for the recording, `F6 F6 F6` returns to live frames. A recording has no time: its readings are stored, of an uncertain time.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from device_drivers.cadence import Cadence
from device_drivers.driver import Driver, SerialSettings, Transport, Verified
from device_drivers.errors import Malformed
from device_drivers.oximeters import contec_cms50, five_bytes
from device_drivers.oximeters.contec_cms50 import (
    HEADER_LENGTH,
    PREAMBLE,
    RECORD_LENGTH,
    LivePacket,
    RecordingLength,
    StoredRecord,
)
from device_drivers.oximeters.recording import ATTEMPTS, NOT_READ, STORED, Backlog, numbering
from device_drivers.sessions import Command, Deliver, LinkEstablished, ReportStatus, SendBytes, SessionContext
from device_drivers.stream_session import StreamSession
from device_drivers.waveform import Chunks, Scale
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter
from vitals.readings import Reading

ASK_FOR_STORED: Final = bytes.fromhex("f5f5")
RETURN_TO_LIVE: Final = bytes.fromhex("f6f6f6")
SCALE: Final = Scale(rate_hz=60, low=0, high=five_bytes.PLETH_BITS)
PATIENCE: Final = timedelta(seconds=5)
"""So long without an answer, or without the next record, is too long."""


class Framing:
    """Which frame comes next: live ones, or after an announcement as many records as it says."""

    def __init__(self) -> None:
        self.records_left = 0

    def __call__(self, buffer: bytearray, at: int) -> int | None:
        if self.records_left:
            length = contec_cms50.measure_record(buffer, at)
            self.records_left -= length == RECORD_LENGTH
            return length
        if PREAMBLE.startswith(start := bytes(buffer[at : at + len(PREAMBLE)])):
            return self._announced(buffer, at) if start == PREAMBLE else None
        return five_bytes.measure(buffer, at)

    def _announced(self, buffer: bytearray, at: int) -> int | None:
        header = bytes(buffer[at : at + HEADER_LENGTH])
        if len(header) < HEADER_LENGTH:
            return None
        try:
            length = RecordingLength.from_bytes(header[len(PREAMBLE) :])
        except Malformed:
            return 0
        self.records_left = length.length_bytes // RECORD_LENGTH
        return HEADER_LENGTH


class Session(StreamSession):
    """Listens; with the option `stored` it first reads the recording. One reading a second, and each live frame's sample."""

    def __init__(self, context: SessionContext) -> None:
        self._framing = Framing()
        super().__init__(
            context, self._framing, frame_length=five_bytes.FRAME_LENGTH, chunks=Chunks(context.device, SCALE)
        )
        self._cadence = Cadence()
        self._backlog = Backlog()
        self._attempts_left = ATTEMPTS if context.options.get(STORED.name, STORED.default) else 0
        self._waiting_since: datetime | None = None
        self._recording = bytearray()
        self._expected = 0

    def begin(self, event: LinkEstablished) -> list[Command]:
        return self._ask(event.at)

    def frame(self, at: datetime, data: bytes) -> list[Command]:
        if len(data) == RECORD_LENGTH:
            return self._record(at, data)
        if len(data) == HEADER_LENGTH:
            self._waiting_since = at
            self._expected = RecordingLength.from_bytes(data[len(PREAMBLE) :]).length_bytes
            self._recording.clear()
            return []
        return self._live(at, data)

    def tick(self, at: datetime) -> list[Command]:
        if self._waiting_since is not None and at - self._waiting_since > PATIENCE:
            return self._give_up(at)
        return [*self._ask(at), *self._backlog.next_batch()]

    def _ask(self, at: datetime) -> list[Command]:
        """Ask for the recording, unless it is there, is on its way, or was asked for too often."""
        if self._attempts_left == 0 or self._waiting_since is not None:
            return []
        self._attempts_left -= 1
        self._waiting_since = at
        return [SendBytes(data=ASK_FOR_STORED)]

    def _live(self, at: datetime, data: bytes) -> list[Command]:
        packet = LivePacket.from_bytes(data)
        commands = self.sample(at, packet.sample)
        if self._cadence.decides(at, packet.state):
            commands.append(Deliver(readings=(packet.reading(self.context.device, raw=data, at=at),)))
        return commands

    def _record(self, at: datetime, data: bytes) -> list[Command]:
        if not self._expected:
            return []  # of a recording that was given up
        self._waiting_since = at
        self._recording += data
        if len(self._recording) < self._expected:
            return []
        self._backlog.add(self._readings(bytes(self._recording), at))
        self._attempts_left = 0
        return self._end()

    def _end(self) -> list[Command]:
        self._waiting_since = None
        self._expected = self._framing.records_left = 0
        self._recording.clear()
        return [SendBytes(data=RETURN_TO_LIVE)]

    def _give_up(self, at: datetime) -> list[Command]:
        """It came not, or not whole: back to live frames, and once more a second later while there are attempts left."""
        lost = [] if self._attempts_left else [ReportStatus(at=at, faults=(NOT_READ,))]
        return [*self._end(), *lost]

    def _readings(self, recording: bytes, at: datetime) -> Iterator[Reading]:
        number = numbering(recording)
        for index in range(len(recording) // RECORD_LENGTH):
            data = recording[index * RECORD_LENGTH : (index + 1) * RECORD_LENGTH]
            yield StoredRecord.from_bytes(data).reading(self.context.device, raw=data, at=at, record=number(index))


FORMATS: Final = contec_cms50.FORMATS
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="contec-cms50-old",
        title="Contec CMS50D+ (firmware before 4.6) / CMS50E pulse oximeter, 19200 baud",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=19200, parity="O"),
        formats=("cms50-5byte", "cms50-record", "cms50-reclen"),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE),
        session=Session,
        verified=(Verified.CAPTURE, Verified.SECOND_SOURCE),
        stale_after_seconds=10,
        options=(STORED,),
        missing="the time of a recording, which the device does not tell",
    ),
)
