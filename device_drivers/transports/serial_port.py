"""Serial lines, and the only module that imports pyserial.

Bytes are read as they come, on the event loop, and handed on cut anywhere. An unplugged adapter shows as an error of the operating system,
of pyserial or of termios, or as an empty read: all of them are the loss of the link.
"""

import asyncio
import errno
import os
import termios
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from typing import Final

import serial
import serial.tools.list_ports

from device_drivers.driver import SerialSettings
from device_drivers.errors import CommandFailed, LinkLost, PortUnavailable
from device_drivers.sessions import BytesReceived, Event, LinkCommand, LinkEstablished, SendBytes
from device_drivers.transports.events import EventQueue

READ_BYTES: Final = 4096
WRITE_SECONDS: Final = 2.0

_FAILURES: Final = (serial.SerialException, OSError, termios.error)
"""How pyserial and the system say that a line is gone (pyserial's own errors are not always OSErrors)."""


def list_ports() -> list[tuple[str, str | None]]:
    """Serial ports of this machine: path and description."""
    return [(port.device, port.description) for port in serial.tools.list_ports.comports()]


async def open_port(
    port: str,
    settings: SerialSettings,
    *,
    clock: Callable[[], datetime],
    known_ports: Callable[[], Iterable[tuple[str, str | None]]] = list_ports,
) -> "SerialLink":
    """Open a line. Raises PortUnavailable, which says what is plugged in."""
    try:
        line = await asyncio.to_thread(_opened, port, settings)
    except _FAILURES as error:
        plugged = ", ".join(f"{path} ({name})" if name else path for path, name in known_ports()) or "nothing"
        raise PortUnavailable(f"{port}: {_reason(error)}; plugged in: {plugged}") from error
    return SerialLink(line, clock)


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.errno:
        return type(error).__name__
    if error.errno in (errno.EAGAIN, errno.EBUSY):  # the lock that every line of ours has
        return "another program has it open, an agent that runs here perhaps"
    return os.strerror(error.errno)


def _opened(port: str, settings: SerialSettings) -> serial.Serial:
    line = serial.serial_for_url(
        port,
        baudrate=settings.baud,
        bytesize=settings.data_bits,
        parity=settings.parity,
        stopbits=settings.stop_bits,
        timeout=0,
        write_timeout=WRITE_SECONDS,
        exclusive=True,
    )
    line.reset_input_buffer()
    return line


class SerialLink:
    """One open line; see `Link`."""

    def __init__(self, line: serial.Serial, clock: Callable[[], datetime]) -> None:
        self._line = line
        self._clock = clock
        self._events = EventQueue()
        self._loop = asyncio.get_running_loop()
        self._descriptor = line.fileno()
        self._loop.add_reader(self._descriptor, self._readable)
        self._events.put(LinkEstablished(at=clock()))

    def events(self) -> AsyncIterator[Event]:
        return self._events.events()

    async def perform(self, command: LinkCommand) -> None:
        if not isinstance(command, SendBytes):
            raise CommandFailed(f"a serial line can't do {type(command).__name__}")
        if self._events.ended:
            raise LinkLost("the line is gone")
        try:
            await asyncio.to_thread(self._line.write, command.data)
        except serial.SerialTimeoutException as error:
            raise CommandFailed("the line took nothing for two seconds") from error
        except _FAILURES as error:
            self._lose()
            raise LinkLost(f"the line is gone: {type(error).__name__}") from error

    async def close(self) -> None:
        self._lose()

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or not self._events.put(BytesReceived(at=self._clock(), data=data)):
            self._lose()

    def _lose(self) -> None:
        if self._events.ended:
            return
        self._events.end()
        self._loop.remove_reader(self._descriptor)
        try:
            self._line.close()
        except _FAILURES:
            return  # an unplugged adapter can't be closed properly
