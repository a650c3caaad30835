"""Viatom's LP-BP2W cuff on the radio: silent until asked."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers.cuffs import lepu_bp2, lepu_bp2_session
from device_drivers.cuffs.lepu_bp2 import RealTime, Status
from device_drivers.cuffs.lepu_bp2_list import BloodPressureList, Record
from device_drivers.date_time import DateTime
from device_drivers.framing import Frame, FrameReader
from device_drivers.oximeters import lepu_frames
from device_drivers.oximeters.lepu_frames import ClockSetting, DeviceInfo, Message
from device_drivers.oximeters.viatom_frames import Content, Data
from simulators.models.model import DeviceModel, Gatt, Look, Said
from simulators.models.viatom import NOTIFYING, WRITABLE, notified

READY_SECONDS: Final = 3
MEASURING_SECONDS: Final = 5
BLOCK_BYTES: Final = 128
_STILL: Final = timedelta(0)


class BP2(DeviceModel):
    """Somebody starts a measurement three seconds after it was connected to; five seconds later it shows what it found, which stands in its list, too.
    `clock_ahead`: how far its clock runs ahead of UTC; `records` are in its list already; `error` is why it finds
    nothing; `keeps`: the result goes into its list; `shows_result` from the beginning."""

    gatt = Gatt(
        name="LP-BP2W 0042",
        services={lepu_bp2_session.SERVICE: {lepu_bp2_session.WRITE: WRITABLE, lepu_bp2_session.NOTIFY: NOTIFYING}},
        advertised=(lepu_bp2_session.SERVICE,),
    )

    def __init__(
        self,
        look: Look,
        *,
        clock_ahead: timedelta = _STILL,
        records: Sequence[Record] = (),
        error: int = 0,
        keeps: bool = True,
        shows_result: bool = False,
    ) -> None:
        super().__init__(look)
        self.clock_ahead = clock_ahead
        self.asked: list[Message] = []
        self._records = list(records)
        self._error = error
        self._keeps = keeps
        self._shows_result = shows_result
        self._heard = FrameReader(lepu_frames.MEASURE)
        self._began: datetime | None = None
        self._open = b""
        self._measured = False

    def connected(self, now: datetime) -> Sequence[Said]:
        self._began = now
        return ()

    def step(self, now: datetime) -> Sequence[Said]:
        if (
            self._keeps
            and not self._measured
            and not self._shows_result
            and self._state(now) == lepu_bp2.SHOWING_RESULT
        ):
            self._measured = True
            self._records.append(self._record(now))
        return ()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._heard.receive_data(data)
        messages = [lepu_bp2.decode(event.data) for event in self._heard.events() if isinstance(event, Frame)]
        self.asked += messages
        answers = [(message, self._answer(now, message)) for message in messages]
        return [
            said
            for message, content in answers
            if content is not None
            for said in notified(
                bytes(lepu_frames.answer(message.cmd, content, seq=message.seq)), lepu_bp2_session.NOTIFY
            )
        ]

    def _answer(self, now: datetime, message: Message) -> Content | None:
        match message.cmd:
            case lepu_bp2.INFO:
                return self._info(now)
            case lepu_bp2.SET_TIME if isinstance(message.content, ClockSetting):
                self._set_clock(now, message.content.timestamp)
                return Data()
            case lepu_bp2.REAL_TIME:
                return self._real_time(now)
            case lepu_bp2.FILE_OPEN if self._state(now) != lepu_bp2.MEASURING_PRESSURE:
                self._open = bytes(BloodPressureList(records=tuple(self._records)))
                return Data(data=len(self._open).to_bytes(4, "little"))
            case lepu_bp2.FILE_READ:
                start = int.from_bytes(bytes(message.content), "little")
                return Data(data=self._open[start : start + BLOCK_BYTES])
            case lepu_bp2.FILE_CLOSE:
                return Data()
        return None

    def _set_clock(self, now: datetime, timestamp: DateTime) -> None:
        if timestamp.moment:
            self.clock_ahead = timestamp.moment - now.replace(tzinfo=None, microsecond=0)

    def _state(self, now: datetime) -> int:
        since = (now - (self._began or now)).total_seconds()
        if self._shows_result or since >= READY_SECONDS + MEASURING_SECONDS:
            return lepu_bp2.SHOWING_RESULT
        return lepu_bp2.MEASURING_PRESSURE if since >= READY_SECONDS else lepu_bp2.READY

    def _real_time(self, now: datetime) -> RealTime:
        state, body = self._state(now), self.look(now)
        status = Status(state=state, millivolts=3715)
        if state != lepu_bp2.SHOWING_RESULT:
            measuring = state == lepu_bp2.MEASURING_PRESSURE
            return RealTime(
                phase=0, battery=64, status=status, cuff_pressure=120 * measuring, pulse_rate=0, deflating=False
            )
        failed = self._error != 0
        return RealTime(
            phase=1,
            battery=64,
            status=status,
            systolic=None if failed else body.systolic,
            diastolic=None if failed else body.diastolic,
            mean=None if failed else body.mean,
            pulse_rate=None if failed else body.pulse_rate,
            deflating=True,
            error=self._error,
        )

    def _record(self, now: datetime) -> Record:
        body = self.look(now)
        return Record(
            timestamp=(now + self.clock_ahead).replace(tzinfo=None, microsecond=0),
            user=218071,
            systolic=body.systolic,
            diastolic=body.diastolic,
            mean=body.mean,
            pulse_rate=body.pulse_rate,
        )

    def _info(self, now: datetime) -> DeviceInfo:
        return DeviceInfo(
            hardware=0x42,
            firmware="1.1.1",
            bootloader="1.0.0",
            branch="32120011",
            device_type=0x8622,
            protocol="1.3",
            timestamp=DateTime.of(now + self.clock_ahead),
            longest=512,
            serial="2523C00812",
        )


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"lepu-bp2": BP2}
