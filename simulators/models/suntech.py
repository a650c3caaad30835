"""A SunTech Advantage OEM module on a serial line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers.cuffs.suntech_frames import (
    ABORT,
    SEND_PRESSURE,
    SEND_RESULT,
    START_ADULT,
    Acknowledgement,
    CuffPressure,
    HostCommand,
    ModuleFrame,
    Result,
)
from device_drivers.errors import Undecodable
from simulators.models.model import DeviceModel, Look, Said

FIRST_PRESS: Final = timedelta(seconds=3)
NEXT_PRESS: Final = timedelta(minutes=2)
"""Somebody presses the button of the monitor that the module is built into so long after the line was opened, and after the last measurement."""
RUN_SECONDS: Final = 10
_PEAK: Final = 160
_RISES: Final = 3
_ENDED_BY_A_PERSON: Final = 86
_WEAK_SIGNAL: Final = 1


class Advantage(DeviceModel):
    """Silent until asked; a measurement takes ten seconds, in which it is busy."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.result = _without(error=0)
        self._pressed: datetime | None = None
        self._began: datetime | None = None
        self._by_host = False

    def connected(self, now: datetime) -> Sequence[Said]:
        self._pressed = now + FIRST_PRESS
        return ()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        return [Said(data=bytes(answer)) for answer in self._answers(now, data)]

    def step(self, now: datetime) -> Sequence[Said]:
        if self._began is None and self._pressed is not None and now >= self._pressed:
            self._begin(now, by_host=False)
        if self._began is None or now - self._began < timedelta(seconds=RUN_SECONDS):
            return ()
        self._end(now, self._measured(now))
        return [Said(data=bytes(Acknowledgement(ack="K")))] if self._by_host else ()

    def _answers(self, now: datetime, data: bytes) -> Iterator[ModuleFrame]:
        while data:
            try:
                command = bytes(HostCommand.from_bytes(data))
            except Undecodable:
                yield Acknowledgement(ack="E")
                return
            yield self._answer(now, command)
            data = data[len(command) :]

    def _answer(self, now: datetime, command: bytes) -> ModuleFrame:
        if command == SEND_PRESSURE:
            return CuffPressure(cuff_pressure=self._pressure(now))
        if command == ABORT:
            if self._began is not None:
                self._end(now, _without(error=_ENDED_BY_A_PERSON))
            return Acknowledgement(ack="A")
        if self._began is not None:
            return Acknowledgement(ack="B")
        if command == SEND_RESULT:
            return self.result
        if command == START_ADULT:
            self._begin(now, by_host=True)
            return Acknowledgement(ack="O")
        return Acknowledgement(ack="E")

    def _begin(self, now: datetime, *, by_host: bool) -> None:
        self._began, self._by_host = now, by_host

    def _end(self, now: datetime, result: Result) -> None:
        self.result, self._began, self._pressed = result, None, now + NEXT_PRESS

    def _pressure(self, now: datetime) -> int:
        if self._began is None:
            return 0
        passed = (now - self._began).total_seconds()
        if passed < _RISES:
            return round(_PEAK * passed / _RISES)
        return round(_PEAK - (_PEAK - 40) * (passed - _RISES) / (RUN_SECONDS - _RISES))

    def _measured(self, now: datetime) -> Result:
        body = self.look(now)
        if body.systolic is None or body.diastolic is None:
            return _without(error=_WEAK_SIGNAL)
        return Result(
            systolic=body.systolic,
            diastolic=body.diastolic,
            mean=body.mean,
            pulse_rate=body.pulse_rate,
            beats=24,
            bp_status=1,
            error_code=0,
        )


def _without(*, error: int) -> Result:
    return Result(systolic=None, diastolic=None, mean=None, pulse_rate=None, beats=0, bp_status=0, error_code=error)


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"suntech-advantage": Advantage}
