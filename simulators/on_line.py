"""A device model on a simulated serial line."""

from collections.abc import Callable, Sequence
from datetime import datetime

from simulators.models.model import DeviceModel, Said
from simulators.serial_line import SerialLine


class OnLine:
    """Runs whether or not somebody has the port open, as a device at the end of a cable does: what it says to nobody is gone.

    `step` is called `STEPS_PER_SECOND` times a second. A host that opens the port again between two steps is taken for the one before.
    """

    def __init__(self, model: DeviceModel, line: SerialLine, clock: Callable[[], datetime]) -> None:
        self.line = line
        self._model = model
        self._clock = clock
        self._has_host = False
        line.received = self._received

    def spoil_next(self, fault: Callable[[bytes], bytes]) -> None:
        """Damage the next bytes that somebody hears."""
        self.line.spoil_next(fault)

    def step(self, now: datetime) -> None:
        """Take what the host has written, and say what the device has to say."""
        had_host, self._has_host = self._has_host, self.line.listened_to
        if self._has_host and not had_host:
            self._say(now, self._model.connected(now))
        self.line.read()
        if had_host and not self._has_host:
            self._model.disconnected()
        self._say(now, self._model.step(now))

    def _received(self, data: bytes) -> None:
        now = self._clock()
        self._say(now, self._model.received(now, data))

    def _say(self, now: datetime, said: Sequence[Said]) -> None:
        if said:
            self.line.write(b"".join(one.data for one in said))
