"""A SunTech module and what is said to it."""

from device_drivers.cuffs.suntech import Session
from device_drivers.cuffs.suntech_frames import (
    START_ADULT,
    Acknowledgement,
    CuffPressure,
    Result,
)
from device_drivers.driver import INFLATE
from device_drivers.sessions import (
    BytesReceived,
    Command,
    Inflate,
    LinkEstablished,
    SendBytes,
    SessionContext,
    TimePassed,
)
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, readings
from vitals.readings import Reading

UP, DOWN = CuffPressure(cuff_pressure=160), CuffPressure(cuff_pressure=0)
EMPTY = Result(systolic=None, diastolic=None, mean=None, pulse_rate=None, beats=0, bp_status=0, error_code=0)
START = Inflate(command=SendBytes(data=START_ADULT))


class Talk:
    """A session on a clock that goes a second further with each thing that is said or heard."""

    def __init__(self, *, every_minutes: int = 0, memory: dict[str, str] | None = None) -> None:
        options = {INFLATE: every_minutes} if every_minutes else {}
        self.memory = {} if memory is None else memory
        self.session = Session(SessionContext(device=CUFF, zone=BERLIN, options=options, memory=self.memory))
        self.seconds = 0.0
        self.commands: list[Command] = list(self.session.handle(LinkEstablished(at=NOON)))

    def hear(self, *frames: Acknowledgement | CuffPressure | Result) -> list[Command]:
        said = []
        for frame in frames:
            self.seconds += 1
            said += self.session.handle(BytesReceived(at=after(self.seconds), data=bytes(frame)))
        self.commands += said
        return said

    def tick(self, seconds: float = 1) -> list[Command]:
        self.seconds += seconds
        said = self.session.handle(TimePassed(at=after(self.seconds)))
        self.commands += said
        return said

    def wait(self, seconds: int) -> list[Command]:
        """Ticks, each answered as a module at rest does."""
        said = []
        for _ in range(seconds):
            said += self.tick()
            self.session.handle(BytesReceived(at=after(self.seconds), data=bytes(DOWN)))
        return said

    @property
    def readings(self) -> list[Reading]:
        return readings(self.commands)


def resting(*, every_minutes: int = 0, memory: dict[str, str] | None = None) -> Talk:
    """A module whose last result is known and empty, and whose cuff is down."""
    talk = Talk(every_minutes=every_minutes, memory=memory)
    talk.hear(DOWN, EMPTY)
    return talk


def failed(code: int) -> Result:
    return Result(systolic=None, diastolic=None, mean=None, pulse_rate=None, beats=3, bp_status=0, error_code=code)
