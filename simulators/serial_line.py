"""A serial line without hardware: a PTY under a path that stays the same, with a plug that can be pulled.

Like a real cable it has no memory: what is written while nobody has the port open is gone.
"""

import os
import select
import tty
from collections.abc import Callable
from pathlib import Path

READ_BYTES = 1024


class SerialLine:
    """The device's end. `received` is called by `read` with what the host wrote. Start with `plug`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received: Callable[[bytes], None] | None = None
        self._master: int | None = None
        self._spoil: Callable[[bytes], bytes] | None = None

    @property
    def plugged(self) -> bool:
        return self._master is not None

    @property
    def listened_to(self) -> bool:
        """Whether somebody has the port open."""
        if self._master is None:
            return False
        poller = select.poll()
        poller.register(self._master, select.POLLOUT)
        return not any(event & select.POLLHUP for _, event in poller.poll(0))

    def plug(self) -> None:
        """Make the port appear under `path`."""
        if self._master is not None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(master, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(name)
        self._master = master

    def unplug(self) -> None:
        """Make it vanish, for whoever has it open too."""
        if self._master is None:
            return
        master, self._master = self._master, None
        self.path.unlink(missing_ok=True)
        os.close(master)

    def spoil_next(self, fault: Callable[[bytes], bytes]) -> None:
        """Damage the next bytes that somebody hears."""
        self._spoil = fault

    def write(self, data: bytes) -> bool:
        """Whether somebody was there to hear it whole. What a reader who is far behind can't take is lost, as on a real line."""
        if self._master is None or not self.listened_to:
            return False
        spoil, self._spoil = self._spoil, None
        said = spoil(data) if spoil else data
        try:
            return os.write(self._master, said) == len(said) and spoil is None
        except OSError:
            return False

    def read(self) -> None:
        """Hand on what the host has written by now, what it wrote before it left as well."""
        while self._master is not None:
            try:
                data = os.read(self._master, READ_BYTES)
            except OSError:
                return
            if not data:
                return
            if self.received is not None:
                self.received(data)
