"""The conversation with a Wellue O2Ring-S: authenticate, set up, then ask for numbers once a second.

Source: nglessner/o2ring-s-protocol, "Working session sequence". The authentication is never answered. A request goes out in one piece; the ring's stack
agrees to packets of up to 517 bytes.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from device_drivers.advertisement import Marks
from device_drivers.date_time import DateTime
from device_drivers.driver import Driver, Option, Transport, Verified
from device_drivers.format import AnyFormat
from device_drivers.oximeters import oxyii
from device_drivers.oximeters.lepu_frames import MEASURE, Message, request
from device_drivers.oximeters.questions import Questions
from device_drivers.sessions import Command, Deliver, LinkEstablished, ReportStatus, SessionContext, WriteValue
from device_drivers.stream_session import StreamSession
from device_drivers.waveform import Chunks, Scale
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import RAW_LIMIT, Reading

SERVICE: Final = "e8fb0001-a14b-98f9-831b-4e2941d01248"
WRITE: Final = "e8fb0002-a14b-98f9-831b-4e2941d01248"
NOTIFY: Final = "e8fb0003-a14b-98f9-831b-4e2941d01248"
SAMPLES_PER_SECOND: Final = 100
_SCALE: Final = Scale(rate_hz=SAMPLES_PER_SECOND, low=0, high=255)
_PERIOD: Final = timedelta(seconds=1 / SAMPLES_PER_SECOND)
_LAST_SEQ: Final = 0xFF
SET_TIME: Final = Option(name="set_time", default=False, text="set the ring's clock")


class Session(StreamSession):
    """One connection. Samples are delivered only with the option for what is unverified: nobody has shown their rate and scale."""

    def __init__(self, context: SessionContext) -> None:
        chunks = Chunks(context.device, _SCALE) if context.options.get("unverified", False) else None
        super().__init__(context, MEASURE, notify=NOTIFY, chunks=chunks)
        self._questions: Questions[Message] = Questions()
        self._seq = 0
        self._battery: int | None = None

    def begin(self, event: LinkEstablished) -> Iterable[Command]:
        seconds = int(event.at.timestamp())
        self._put(oxyii.SETUP, b"\0")
        if self.context.options.get(SET_TIME.name, SET_TIME.default):
            self._put(oxyii.SET_TIME)
        return [self._write(request(oxyii.AUTHENTICATE, oxyii.authentication(seconds))), *self._ask(event.at)]

    def tick(self, at: datetime) -> Iterable[Command]:
        self._questions.overdue(at)
        if self._questions.idle:
            self._put(oxyii.LIVE)
        return self._ask(at)

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        message = oxyii.decode(data)
        asked = self._questions.asked
        if asked is not None and asked.cmd == message.cmd:
            self._questions.answered()
        if isinstance(message.content, oxyii.Live):
            yield from self._measured(at, message.content, data)
        yield from self._ask(at)

    def _measured(self, at: datetime, live: oxyii.Live, data: bytes) -> Iterator[Command]:
        if live.battery != self._battery and live.battery <= 100:
            self._battery = live.battery
            yield ReportStatus(at=at, battery_percent=live.battery)
        reading = Reading(
            data_type=Vital.SPO2,
            device=self.context.device,
            values=live.values,
            measured=at,
            received=at,
            raw=data[:RAW_LIMIT],
        )
        yield Deliver(readings=(reading,))
        wave = live.wave or ()
        for place, sample in enumerate(wave):
            taken = at - _PERIOD * (len(wave) - place)
            yield from self.sample(taken, None if live.state == oxyii.NO_CONTACT else sample)

    def _put(self, cmd: int, data: bytes = b"") -> None:
        self._seq = (self._seq + 1) & _LAST_SEQ
        self._questions.put(request(cmd, data, seq=self._seq))

    def _ask(self, at: datetime) -> list[Command]:
        message = self._questions.next(at)
        return [] if message is None else [self._write(self._timely(at, message))]

    def _timely(self, at: datetime, message: Message) -> Message:
        """The setting of the clock may have waited: its time is that of its sending."""
        if message.cmd != oxyii.SET_TIME:
            return message
        return request(message.cmd, bytes(DateTime.of(at.astimezone(self.context.zone))) + b"\0", seq=message.seq)

    def _write(self, message: Message) -> Command:
        return WriteValue(characteristic=WRITE, data=bytes(message))


FORMATS: Final[tuple[AnyFormat, ...]] = oxyii.FORMATS
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="o2ring-s",
        title="Wellue O2Ring-S, Viatom S8-AW",
        device_type=DeviceType.PULSE_OXIMETER,
        transport=Transport.BLE,
        formats=("oxyii",),
        measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE),
        marks=(Marks(names=("S8-AW", "O2Ring S", "O2Ring-S")), Marks(services=frozenset({SERVICE}))),
        session=Session,
        verified=(Verified.ONE_SOURCE,),
        stale_after_seconds=15,
        options=(SET_TIME,),
        missing=(
            "stored recordings, the perfusion index; while it records on a finger it may advertise as T8520_… without the service, and then "
            "can't be read"
        ),
        unverified=("the plethysmogram: its rate of about 100 samples a second and its scale",),
    ),
)
