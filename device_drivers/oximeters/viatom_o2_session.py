"""The conversation with Viatom's older rings: ask what they are, then for numbers and samples once a second; stored recordings where that is wanted; while they are
fetched nothing is measured live.

A ring takes one request at a time (Viatom LepuDemo, OxyActivity.kt), written in pieces of at most 20 bytes. Requests that a firmware does not know stay
unanswered or empty: then the other of 0x1B (with samples) and 0x17 is asked.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from device_drivers.advertisement import Marks
from device_drivers.clocks import offset_of
from device_drivers.driver import Driver, Option, Transport, Verified
from device_drivers.format import AnyFormat
from device_drivers.oximeters.questions import Questions
from device_drivers.oximeters.recording import STORED, Backlog
from device_drivers.oximeters.viatom_download import Download, Step
from device_drivers.oximeters.viatom_info import Info, clock_of, clock_setting, files_of
from device_drivers.oximeters.viatom_o2 import (
    MEASURE,
    WAVE_FILLERS,
    RealTime,
    Request,
    Response,
    Sensors,
    values,
)
from device_drivers.oximeters.viatom_o2 import (
    Command as O2Command,
)
from device_drivers.sessions import (
    Command,
    Deliver,
    DeliverSamples,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SessionContext,
    WriteValue,
)
from device_drivers.stream_session import StreamSession, in_chunks
from device_drivers.waveform import Chunks, Scale
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading

SERVICE: Final = "14839ac4-7d7e-415c-9a42-167340cf2339"
WRITE: Final = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
NOTIFY: Final = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
NAMES: Final = (
    *("O2Ring", "O2 ", "O2BAND", "O2M", "O2NCI", "CheckO2", "Checkme O2", "SleepO2", "WearO2", "SleepU"),
    *("KidsO2", "BabyO2", "Oxylink", "Oxyfit", "CMRing"),
)
"""What their names begin with (Viatom LepuBle, Bluetooth.java); the service alone is a cuff's and an electrocardiograph's, too."""
SAMPLES_PER_SECOND: Final = 125
"""With 0 as the data of 0x1B; 1 asks for half as many."""
_SCALE: Final = Scale(rate_hz=SAMPLES_PER_SECOND, low=0, high=255)
_PERIOD: Final = timedelta(seconds=1 / SAMPLES_PER_SECOND)
_POLLS: Final = {
    O2Command.REAL_TIME: Request(cmd=O2Command.REAL_TIME, data=b"\0"),
    O2Command.SENSORS: Request(cmd=O2Command.SENSORS),
}
MEMORY_KEY: Final = "viatom-o2-files"
SET_TIME: Final = Option(name="set_time", default=False, text="set the ring's clock after it was read")


class Session(StreamSession):
    """One connection."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, MEASURE, notify=NOTIFY, chunks=Chunks(context.device, _SCALE))
        self._questions: Questions[Request] = Questions()
        self._poll = O2Command.REAL_TIME
        self._offset: timedelta | None = None
        self._download: Download | None = None
        self._backlog = Backlog()
        self._complete: list[str] = []
        self._remembered: list[str] = []
        self._battery: int | None = None

    def begin(self, event: LinkEstablished) -> Iterable[Command]:
        self._questions.put(Request(cmd=O2Command.INFO))
        return self._ask(event.at)

    def tick(self, at: datetime) -> Iterable[Command]:
        overdue = self._questions.overdue(at)
        if overdue is not None:
            yield from self._unanswered(at, overdue)
        if self._questions.idle:
            self._questions.put(_POLLS[self._poll])
        yield from self._ask(at)
        yield from self._deliver_stored()

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        response = Response.from_bytes(data)
        asked = self._questions.answered()
        if self._download is not None and asked is not None and asked.cmd in Download.COMMANDS:
            yield from self._downloaded(at, self._download.answered(asked, data))
        else:
            yield from self._answered(at, response, asked, data)
        yield from self._ask(at)

    def _answered(self, at: datetime, response: Response, asked: Request | None, data: bytes) -> Iterator[Command]:
        match response.content:
            case Info() as info if asked is not None and asked.cmd == O2Command.INFO:
                yield from self._informed(at, info)
            case Sensors() | RealTime() as content if response.status == 0:
                yield from self._measured(at, content, data)
            case _ if asked is not None and asked.cmd == self._poll:
                self._poll_otherwise()

    def _informed(self, at: datetime, info: Info) -> Iterator[Command]:
        clock = clock_of(info)
        self._offset = offset_of(clock, at) if clock is not None else None
        stored = bool(self.context.options.get(STORED.name, STORED.default))
        self._remembered = [
            name for name in files_of(info) if name in self.context.memory.get(MEMORY_KEY, "").split(",")
        ]
        self._download = Download(name for name in files_of(info) if stored and name not in self._remembered)
        yield from self._downloaded(at, Step(requests=self._download.begin()))

    def _measured(self, at: datetime, content: Sensors | RealTime, data: bytes) -> Iterator[Command]:
        if content.battery != self._battery and content.battery <= 100:
            self._battery = content.battery
            yield ReportStatus(at=at, battery_percent=content.battery)
        unverified = bool(self.context.options.get("unverified", False))
        yield Deliver(
            readings=(
                Reading(
                    data_type=Vital.SPO2,
                    device=self.context.device,
                    values=values(content, unverified=unverified),
                    measured=at,
                    received=at,
                    raw=data[:RAW_LIMIT],
                ),
            )
        )
        if isinstance(content, RealTime):
            yield from self._sampled(at, content)

    def _sampled(self, at: datetime, content: RealTime) -> Iterator[Command]:
        """The samples until now; the ring sends its light signal, which falls where a pulse rises."""
        started = at - _PERIOD * len(content.wave)
        for place, sample in enumerate(content.wave):
            none = sample in WAVE_FILLERS or not content.worn
            yield from self.sample(started + _PERIOD * place, None if none else 255 - sample)

    def _downloaded(self, at: datetime, step: Step) -> Iterator[Command]:
        """What a step of the download brings; the clock is set when it is over, since the recordings' times are by the old one."""
        self._questions.put(*step.requests)
        self._complete += [step.name] if step.name is not None else []
        if step.refused is not None:
            yield ReportRefused(at=at, reason=step.refused, discarded=0)
        if step.recording is not None:
            self._backlog.add(step.recording.readings(self.context.device, at=at, offset=self._offset))
        if self._download is not None and self._download.finished:
            self._download = None
            self._set_clock()

    def _deliver_stored(self) -> list[Command]:
        """The next of the stored readings. A file whose readings have all been delivered is not fetched on the next connection."""
        batch = self._backlog.next_batch()
        if not batch and self._complete:
            self._remembered += self._complete
            self._complete = []
            self.context.memory[MEMORY_KEY] = ",".join(self._remembered)
        return batch

    def _set_clock(self) -> None:
        if self.context.options.get(SET_TIME.name, SET_TIME.default):
            self._questions.put(Request(cmd=O2Command.CONFIGURE))

    def _unanswered(self, at: datetime, overdue: Request) -> Iterator[Command]:
        if (
            self._download is not None and overdue.cmd in Download.COMMANDS
        ):  # a late answer must not be taken for another's
            self._download.stop()
            yield from self._downloaded(at, self._download.give_up("file_unanswered"))
        if overdue.cmd == self._poll:
            self._poll_otherwise()
        chunk = self._chunks.lost() if self._chunks else None
        if chunk is not None:
            yield DeliverSamples(chunk=chunk)

    def _poll_otherwise(self) -> None:
        self._poll = O2Command.SENSORS if self._poll is O2Command.REAL_TIME else O2Command.REAL_TIME

    def _ask(self, at: datetime) -> list[Command]:
        request = self._questions.next(at)
        pieces = in_chunks(bytes(self._timely(at, request))) if request is not None else []
        return [WriteValue(characteristic=WRITE, data=piece) for piece in pieces]

    def _timely(self, at: datetime, request: Request) -> Request:
        """The setting of the clock may have waited: its time is that of its sending."""
        if request.cmd != O2Command.CONFIGURE:
            return request
        return Request(cmd=request.cmd, data=clock_setting(at.astimezone(self.context.zone)))


FORMATS: Final[tuple[AnyFormat, ...]] = ()
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="viatom-o2",
        title="Viatom / Wellue O2Ring (older), Checkme O2, SleepO2, WearO2, KidsO2, Oxylink",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("viatom-o2", "viatom-cmd", "viatom-vld"),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
        marks=(Marks(names=NAMES),),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT, Verified.CAPTURE, Verified.SECOND_SOURCE),
        stale_after_seconds=15,
        options=(SET_TIME, STORED),
        missing="recordings of other versions than 3; motion is shown by `bedside decode` alone, since no source says from where on it disturbs",
        unverified=("the perfusion index: its unit of 0.1 %",),
    ),
)
