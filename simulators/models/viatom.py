"""Viatom's older ring, O2Ring-S and PC-60FW, and the JKS50F, on the radio. Notifications carry at most 20 bytes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers.date_time import DateTime
from device_drivers.framing import Frame, FrameReader
from device_drivers.oximeters import jks50f, lepu_frames, oxyii, oxyii_session, pc60fw, viatom_o2, viatom_o2_session
from device_drivers.oximeters.lepu_frames import DeviceInfo, Message
from device_drivers.oximeters.viatom_frames import Content, Data, measure_of
from device_drivers.oximeters.viatom_info import Info
from device_drivers.oximeters.viatom_o2 import Command, RealTime, Request, Response, Sensors
from device_drivers.stream_session import in_chunks
from simulators.models.model import Body, Cadence, DeviceModel, Gatt, Look, Property, Said
from simulators.models.pleth import pleth

BLOCK_BYTES: Final = 240
REFUSED: Final = 1
LONGEST_WAVE: Final = timedelta(seconds=1)
_STILL: Final = timedelta(0)
WRITABLE: Final = frozenset({Property.WRITE_WITHOUT_RESPONSE, Property.WRITE})
NOTIFYING: Final = frozenset({Property.NOTIFY})


def notified(data: bytes, characteristic: str) -> list[Said]:
    """`data` in as many notifications as it takes."""
    return [Said(data=piece, characteristic=characteristic) for piece in in_chunks(data)]


class O2Ring(DeviceModel):
    """Silent until asked, one answer a request. `clock_ahead`: how far its clock runs ahead of UTC; `files` are its recordings; `knows` the requests that
    its firmware has."""

    gatt = Gatt(
        name="O2Ring 0042",
        services={viatom_o2_session.SERVICE: {viatom_o2_session.WRITE: WRITABLE, viatom_o2_session.NOTIFY: NOTIFYING}},
        advertised=(viatom_o2_session.SERVICE,),
    )

    def __init__(
        self,
        look: Look,
        *,
        clock_ahead: timedelta = _STILL,
        files: Mapping[str, bytes] = {},
        knows: frozenset[Command] = frozenset(Command),
    ) -> None:
        super().__init__(look)
        self.clock_ahead = clock_ahead
        self.asked: list[Request] = []
        self._files = files
        self._knows = knows
        self._open = b""
        self._heard = FrameReader(measure_of(viatom_o2.REQUEST_LEAD))
        self._sampled: datetime | None = None

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._heard.receive_data(data)
        requests = [Request.from_bytes(event.data) for event in self._heard.events() if isinstance(event, Frame)]
        self.asked += requests
        answers = [self._answer(now, request) for request in requests if request.cmd in self._knows]
        return [said for answer in answers for said in notified(bytes(answer), viatom_o2_session.NOTIFY)]

    def _answer(self, now: datetime, request: Request) -> Response:
        match request.cmd:
            case Command.INFO:
                return Response(content=self._info(now))
            case Command.SENSORS:
                return Response(content=self._sensors(self.look(now)))
            case Command.REAL_TIME:
                return Response(content=self._real_time(now))
            case Command.FILE_OPEN:
                return self._opened(request.data.rstrip(b"\0").decode())
            case Command.FILE_READ:
                start = request.block * BLOCK_BYTES
                return Response(block=request.block, content=Data(data=self._open[start : start + BLOCK_BYTES]))
            case Command.CONFIGURE:
                self._configure(now, request.data)
        return Response(content=Data())

    def _info(self, now: datetime) -> Info:
        clock = (now + self.clock_ahead).strftime("%Y-%m-%d,%H:%M:%S")
        return Info(
            model="O2Ring", serial="0042", time=clock, battery="81%", battery_state="0", files=",".join(self._files)
        )

    def _configure(self, now: datetime, data: bytes) -> None:
        said = data.decode().removeprefix('{"SetTIME":"').removesuffix('"}')
        clock = datetime.strptime(said, "%Y-%m-%d,%H:%M:%S").replace(tzinfo=now.tzinfo)
        self.clock_ahead = clock - now.replace(microsecond=0)

    def _opened(self, name: str) -> Response:
        if name not in self._files:
            return Response(status=REFUSED, content=Data())
        self._open = self._files[name]
        return Response(content=Data(data=len(self._open).to_bytes(4, "little")))

    def _sensors(self, body: Body) -> Sensors:
        return Sensors(
            spo2=body.spo2,
            pulse_rate=body.pulse_rate,
            battery=81,
            perfusion=int(10 * (body.perfusion_index or 0)),
            worn=body.spo2 is not None,
            alarms=0,
        )

    def _real_time(self, now: datetime) -> RealTime:
        body, wave = self.look(now), self._wave(now)
        return RealTime(
            spo2=body.spo2,
            pulse_rate=body.pulse_rate,
            battery=81,
            perfusion=int(10 * (body.perfusion_index or 0)),
            worn=body.spo2 is not None,
            wave_len=len(wave),
            wave=wave,
        )

    def _wave(self, now: datetime) -> tuple[int, ...]:
        """The samples since it was asked before; upside down, as the light falls where a pulse rises."""
        since = max(self._sampled or now, now - LONGEST_WAVE)
        self._sampled = now
        body, period = self.look(now), timedelta(seconds=1 / viatom_o2_session.SAMPLES_PER_SECOND)
        count = round((now - since) / period)
        if body.spo2 is None:
            return (next(iter(viatom_o2.WAVE_FILLERS)),) * count
        return tuple(150 - pleth(since + period * place, body.pulse_rate, 100) for place in range(count))


class O2RingS(DeviceModel):
    """Answers nothing but information until it was authenticated and set up."""

    gatt = Gatt(
        name="S8-AW 0042",
        services={oxyii_session.SERVICE: {oxyii_session.WRITE: WRITABLE, oxyii_session.NOTIFY: NOTIFYING}},
        advertised=(oxyii_session.SERVICE,),
    )

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.clock: DateTime | None = None
        self._heard = FrameReader(lepu_frames.MEASURE)
        self._authentic = False
        self._ready = False
        self._counter = 0

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._heard.receive_data(data)
        messages = [oxyii.decode(event.data) for event in self._heard.events() if isinstance(event, Frame)]
        answers = [(message, self._answer(now, message)) for message in messages]
        return [
            said
            for message, content in answers
            if content is not None
            for said in notified(bytes(lepu_frames.answer(message.cmd, content, seq=message.seq)), oxyii_session.NOTIFY)
        ]

    def _answer(self, now: datetime, message: Message) -> Content | None:
        match message.cmd:
            case oxyii.AUTHENTICATE:
                seconds = range(int(now.timestamp()) - 5, int(now.timestamp()) + 6)
                self._authentic = bytes(message.content) in [oxyii.authentication(second) for second in seconds]
            case oxyii.INFO:
                return _information(now)
            case oxyii.SETUP if self._authentic:
                self._ready = True
                return Data()
            case oxyii.SET_TIME if self._ready and isinstance(message.content, lepu_frames.ClockSetting):
                self.clock = message.content.timestamp
                return Data()
            case oxyii.LIVE if self._ready:
                return self._live(now)
        return None

    def _live(self, now: datetime) -> oxyii.Live:
        body = self.look(now)
        finger = body.spo2 is not None
        self._counter = (self._counter + 1) & 0xFFFF
        return oxyii.Live(
            counter=self._counter,
            state=int(finger),
            spo2=body.spo2,
            motion=10,
            pulse_rate=body.pulse_rate,
            battery=77,
            wave=tuple(pleth(now + timedelta(seconds=place / 100), body.pulse_rate, 100) for place in range(100))
            if finger
            else (),
        )


def _information(now: datetime) -> DeviceInfo:
    return DeviceInfo(
        hardware=0x42,
        firmware="1.0.2",
        bootloader="1.0.0",
        branch="2D010002",
        device_type=0x8641,
        protocol="1.3",
        timestamp=DateTime.of(now),
        longest=512,
        serial="25B2303210",
    )


class PC60FW(DeviceModel):
    """Numbers once a second, five samples ten times a second, unasked."""

    gatt = Gatt(
        name="PC-60F_SN000042",
        services={pc60fw.SERVICE: {pc60fw.WRITE: WRITABLE, pc60fw.NOTIFY: NOTIFYING}},
        advertised=(pc60fw.SERVICE,),
    )

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._seconds = Cadence(1)
        self._waves = Cadence(pc60fw.SAMPLES_PER_SECOND / pc60fw.SAMPLES_PER_FRAME)

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        return self._said(pc60fw.Frame(token=pc60fw.EQUIPMENT, type=0x03, content=pc60fw.Battery(level=3)))

    def step(self, now: datetime) -> Sequence[Said]:
        body = self.look(now)
        waves = [self._wave(now, body) for _ in range(self._waves.due(now))]
        numbers = [self._numbers(body)] * self._seconds.due(now)
        return [said for frame in (*waves, *numbers) for said in self._said(frame)]

    def _said(self, frame: pc60fw.Frame) -> list[Said]:
        return notified(bytes(frame), pc60fw.NOTIFY)

    def _numbers(self, body: Body) -> pc60fw.Frame:
        numbers = pc60fw.Parameters(
            spo2=body.spo2,
            pulse_rate=body.pulse_rate,
            perfusion_index=body.perfusion_index if body.spo2 else None,
            probe_off=body.spo2 is None,
        )
        return pc60fw.Frame(type=0x01, content=numbers)

    def _wave(self, now: datetime, body: Body) -> pc60fw.Frame:
        times = [
            now + timedelta(seconds=place / pc60fw.SAMPLES_PER_SECOND) for place in range(pc60fw.SAMPLES_PER_FRAME)
        ]
        return pc60fw.Frame(type=0x02, content=pc60fw.Wave(wave=tuple(pleth(at, body.pulse_rate, 127) for at in times)))


class JKS50F(DeviceModel):
    """A frame in four notifications, twice a second, unasked."""

    gatt = Gatt(
        name="OXIMETER",
        services={jks50f.SERVICE: {jks50f.NOTIFY: NOTIFYING}},
        advertised=(jks50f.SERVICE,),
    )

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._frames = Cadence(2)

    def step(self, now: datetime) -> Sequence[Said]:
        body = self.look(now)
        frame = jks50f.Frame(
            finger=body.spo2 is not None,
            spo2=body.spo2,
            pulse_rate=body.pulse_rate,
            perfusion_index=body.perfusion_index if body.spo2 else None,
        )
        return notified(bytes(frame), jks50f.NOTIFY) * self._frames.due(now)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "viatom-o2": O2Ring,
    "o2ring-s": O2RingS,
    "viatom-pc60fw": PC60FW,
    "jks50f": JKS50F,
}
