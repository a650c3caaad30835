"""Fetching the recordings that Viatom's older rings keep: open, read block after block, close, one file after the other.

Source: Viatom's LepuBle, OxyBleInterface.kt (dealReadFile) and OxyBleCmd.java (readFileStart: the name ends with a zero byte).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from device_drivers.errors import Undecodable
from device_drivers.oximeters.viatom_frames import unpacked
from device_drivers.oximeters.viatom_o2 import RESPONSE_LEAD, Command, Request
from device_drivers.oximeters.viatom_vld import Recording

FILE_LIMIT: Final = 256 * 1024
"""Bytes of a file; the longest duration that a header can say makes 160 KiB."""
_LAST_BLOCK: Final = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows an answer: requests, and the file `name` that is complete, with its recording or the reason for which that is none."""

    requests: Sequence[Request] = ()
    name: str | None = None
    recording: Recording | None = None
    refused: str | None = None


class Download:
    """Give it every answer to a request of `COMMANDS`; it says what to ask next. `finished` once there is nothing left."""

    COMMANDS: Final = frozenset({Command.FILE_OPEN, Command.FILE_READ, Command.FILE_CLOSE})

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._size = 0
        self._block = 0
        self._content = bytearray()

    @property
    def finished(self) -> bool:
        return not self._names

    def begin(self) -> Sequence[Request]:
        """Open the first file that is left."""
        self._size, self._block = 0, 0
        self._content.clear()
        return [Request(cmd=Command.FILE_OPEN, data=self._names[0].encode() + b"\0")] if self._names else ()

    def answered(self, asked: Request, frame: bytes) -> Step:
        """The answer to `asked` has come."""
        if asked.cmd == Command.FILE_CLOSE:
            self._names = self._names[1:]
            return Step(requests=self.begin())
        status, block, data = unpacked(RESPONSE_LEAD, frame)
        if status != 0 or int.from_bytes(block, "little") not in (0, asked.block):
            return self.give_up("file_refused")
        if asked.cmd == Command.FILE_OPEN:
            return self._opened(int.from_bytes(data[:4], "little"))
        return self._read(data)

    def give_up(self, reason: str) -> Step:
        """This file can't be had now."""
        return Step(requests=[Request(cmd=Command.FILE_CLOSE)], refused=reason)

    def stop(self) -> None:
        """No more files on this connection."""
        self._names = []

    def _opened(self, size: int) -> Step:
        if not 0 < size <= FILE_LIMIT:
            return self.give_up("file_size")
        self._size = size
        return Step(requests=[Request(cmd=Command.FILE_READ)])

    def _read(self, data: bytes) -> Step:
        self._content += data
        self._block += 1
        if len(self._content) >= self._size:
            return self._complete()
        if not data or self._block > _LAST_BLOCK:
            return self.give_up("file_cut")
        return Step(requests=[Request(cmd=Command.FILE_READ, block=self._block)])

    def _complete(self) -> Step:
        close, name = [Request(cmd=Command.FILE_CLOSE)], self._names[0]
        try:
            recording = Recording.from_bytes(bytes(self._content[: self._size]))
        except Undecodable as refusal:
            return Step(requests=close, name=name, refused=refusal.reason)
        return Step(requests=close, name=name, recording=recording)
