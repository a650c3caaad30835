"""Pulse oximeters on simulated serial lines: Contec V7.0, Nonin DF2, Nonin DF8.

SpO2 and pulse come from a source of vital signs (a replay, or a test). The plethysmogram is generated from the pulse, not recorded.
Frames are written fifteen times a second, several at a time, as a USB adapter would hand them over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from device_drivers.oximeters import contec_v7_packets as contec_v7
from device_drivers.oximeters import nonin_df2, nonin_df8
from device_drivers.oximeters.nonin_packets import FRAME_LENGTH, FRAMES_PER_PACKET, FRAMES_PER_SECOND, Perfusion
from simulators.ledger import Ledger
from simulators.models.pleth import pleth
from simulators.serial_line import SerialLine

WRITES_PER_SECOND: Final = 15
WRITE_BYTES: Final = FRAMES_PER_SECOND // WRITES_PER_SECOND * FRAME_LENGTH
"""Of a Nonin in data format 2."""
KEEP_ALIVE: Final = timedelta(seconds=5)
"""A Contec falls silent so long after the host's last word."""
UNSUPPORTED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What an oximeter sees at a moment; None where there is no finger."""

    spo2: int | None
    pulse_rate: int | None


Source = Callable[[datetime], Pulse]


class Oximeter(Protocol):
    """A device on a line. `step` is called `WRITES_PER_SECOND` times a second."""

    line: SerialLine

    def step(self, now: datetime) -> None: ...


class Contec:
    """CMS50D+: silent until asked, and again five seconds after the host's last word."""

    FRAMES_PER_WRITE: Final = 4

    def __init__(self, line: SerialLine, source: Source, clock: Callable[[], datetime]) -> None:
        self.line = line
        line.received = self._received
        self._source = source
        self._clock = clock
        self._live_until: datetime | None = None
        self._heard = bytearray()

    def step(self, now: datetime) -> None:
        self.line.read()
        if self._live_until is None or now > self._live_until:
            return
        pulse = self._source(now)
        self.line.write(b"".join(self._packet(now, pulse, place) for place in range(self.FRAMES_PER_WRITE)))

    def _packet(self, now: datetime, pulse: Pulse, place: int) -> bytes:
        at = now + timedelta(seconds=place / (WRITES_PER_SECOND * self.FRAMES_PER_WRITE))
        finger = pulse.spo2 is not None
        packet = contec_v7.LivePacket(
            spo2=pulse.spo2,
            pulse_rate=pulse.pulse_rate,
            perfusion_index=Decimal("2.5") if finger else None,
            waveform=pleth(at, pulse.pulse_rate, 100) if finger else 0x40,
            bargraph=8 if finger else 0,
            signal_strength=8 if finger else 0,
            probe_error=not finger,
        )
        return bytes(packet)

    def _received(self, data: bytes) -> None:
        self._heard += data
        while (start := self._heard.find(0x7D)) >= 0 and len(self._heard) - start >= 9:
            self._obey(bytes(self._heard[start : start + 9]))
            del self._heard[: start + 9]
        del self._heard[:-9]

    def _obey(self, packet: bytes) -> None:
        command = contec_v7.parse_control(packet)
        match command:
            case contec_v7.ControlCommand.START_LIVE:
                self._live_until = self._clock() + KEEP_ALIVE
            case contec_v7.ControlCommand.KEEP_ALIVE:
                if self._live_until is not None:
                    self._live_until = self._clock() + KEEP_ALIVE
            case contec_v7.ControlCommand.STOP_LIVE:
                self._live_until = None
                self._answer(contec_v7.FREE, ())
            case contec_v7.ControlCommand.ASK_DEVICE_ID:
                self._answer(contec_v7.DEVICE_ID, tuple(b"SIM-V70"))
            case contec_v7.ControlCommand.ASK_PERFUSION_SUPPORT:
                self._answer(contec_v7.PERFUSION_FLAG, (0,))
            case _:
                self._answer(contec_v7.FEEDBACK, (command, UNSUPPORTED))

    def _answer(self, kind: int, values: tuple[int, ...]) -> None:
        self.line.write(contec_v7.pack(kind, values))


class NoninDF2:
    """75 frames a second; five a write, a packet every fifth write."""

    def __init__(self, line: SerialLine, source: Source) -> None:
        self.line = line
        self._source = source
        self._waiting = b""

    def step(self, now: datetime) -> None:
        self._waiting = self._waiting or bytes(self._packet(now))
        self.line.write(self._waiting[:WRITE_BYTES])
        self._waiting = self._waiting[WRITE_BYTES:]

    def _packet(self, now: datetime) -> nonin_df2.Packet:
        pulse = self._source(now)
        finger = pulse.spo2 is not None
        times = (now + timedelta(seconds=place / FRAMES_PER_SECOND) for place in range(FRAMES_PER_PACKET))
        return nonin_df2.Packet(
            hr=pulse.pulse_rate,
            hr_d=pulse.pulse_rate,
            e_hr=pulse.pulse_rate,
            e_hr_d=pulse.pulse_rate,
            spo2=pulse.spo2,
            spo2_d=pulse.spo2,
            spo2_fast=pulse.spo2,
            spo2_bb=pulse.spo2,
            e_spo2=pulse.spo2,
            e_spo2_d=pulse.spo2,
            srev=0x30,
            timer=int(now.timestamp() * 3) & 0x3FFF,
            smartpoint=finger,
            perfusion=Perfusion.GREEN if finger else Perfusion.NONE,
            sensor_alarm=not finger,
            out_of_track=not finger,
            pleth=tuple(pleth(at, pulse.pulse_rate, 250) for at in times),
        )


class NoninDF8:
    """Four bytes once a second, each noted in the ledger: the driver makes a reading of every one."""

    def __init__(self, line: SerialLine, source: Source, *, device_id: str, ledger: Ledger) -> None:
        self.line = line
        self._source = source
        self._device_id = device_id
        self._ledger = ledger
        self._due: datetime | None = None

    def step(self, now: datetime) -> None:
        if self._due is not None and now < self._due:
            return
        self._due = (self._due or now) + timedelta(seconds=1)
        if self._due < now:
            self._due = now + timedelta(seconds=1)
        pulse = self._source(now)
        measured = {"spo2": pulse.spo2, "oximeter_pulse_rate": pulse.pulse_rate}
        numbers = {name: float(number) for name, number in measured.items() if number is not None}
        entry = self._ledger.made(self._device_id, now, numbers)
        frame = nonin_df8.DataFrame(hr=pulse.pulse_rate, spo2=pulse.spo2, sensor_alarm=pulse.spo2 is None)
        if self.line.write(bytes(frame)):
            self._ledger.heard(entry, now)
