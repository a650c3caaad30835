"""A device model on a simulated serial line."""

from collections.abc import Callable, Sequence
from datetime import datetime

from simulators.models.model import DeviceModel, Said
from simulators.serial_line import SerialLine


class OnLine:
    """Speaks while somebody has the port open. `step` is called `STEPS_PER_SECOND` times a second."""

    def __init__(self, model: DeviceModel, line: SerialLine, clock: Callable[[], datetime]) -> None:
        self.line = line
        self._model = model
        self._clock = clock
        self._listened_to = False
        line.received = self._received

    def step(self, now: datetime) -> None:
        """Take what the host has written, and say what the device has to say."""
        if not self.line.listened_to:
            self._listened_to = False
            return
        if not self._listened_to:
            self._listened_to = True
            self._say(self._model.connected(now))
        self.line.read()
        self._say(self._model.step(now))

    def _received(self, data: bytes) -> None:
        self._say(self._model.received(self._clock(), data))

    def _say(self, said: Sequence[Said]) -> None:
        if said:
            self.line.write(b"".join(one.data for one in said))
