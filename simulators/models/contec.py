"""Contec's older oximeters on a serial line, and the CMS50D-BT on the radio."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers.oximeters import contec_cms50 as cms50
from device_drivers.oximeters import contec_cms50d_bt as bt
from device_drivers.oximeters.contec_cms50_old import ASK_FOR_STORED, RETURN_TO_LIVE
from simulators.models.model import Cadence, DeviceModel, Gatt, Look, Property, Said
from simulators.models.pleth import pleth

FRAMES_PER_SECOND: Final = 60
RECORDS_A_STEP: Final = 38
"""What 19200 baud carry in a fifteenth of a second."""
SILENT_AFTER: Final = timedelta(seconds=10)
NO_FINGER: Final = 0x06
FINGER: Final = 0x04
"""The status of a measurement: bit 1 is set where the pulse is 128 or more, or none."""
GATT: Final = Gatt(
    name="SpO2080123",
    services={
        bt.SERVICE: {
            bt.WRITE: frozenset({Property.WRITE, Property.WRITE_WITHOUT_RESPONSE}),
            bt.NOTIFY: frozenset({Property.NOTIFY}),
        }
    },
)


class Cms50(DeviceModel):
    """CMS50D+ of the older kind: speaks unasked; asked for it, it sends its recording, then nothing until it is told to return to live frames."""

    def __init__(self, look: Look, *, recording: Sequence[cms50.StoredRecord] = ()) -> None:
        super().__init__(look)
        self.recording = recording
        self._frames = Cadence(FRAMES_PER_SECOND)
        self._heard = b""
        self._sending: bytes | None = None

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._heard += data
        if self._heard.endswith(RETURN_TO_LIVE):
            self._sending, self._frames, self._heard = None, Cadence(FRAMES_PER_SECOND), b""
        elif self._heard.endswith(ASK_FOR_STORED):
            self._sending, self._heard = self._announced() if self.recording else None, b""
        return ()

    def step(self, now: datetime) -> Sequence[Said]:
        if self._sending is not None:
            size = RECORDS_A_STEP * cms50.RECORD_LENGTH
            sent, self._sending = self._sending[:size], self._sending[size:]
            return [Said(data=sent)] if sent else ()
        frames = b"".join(self._packet(now, at) for at in self._frames.moments(now))
        return [Said(data=frames)] if frames else ()

    def _announced(self) -> bytes:
        records = b"".join(bytes(record) for record in self.recording)
        return cms50.PREAMBLE + bytes(cms50.RecordingLength(length_bytes=len(records))) + records

    def _packet(self, now: datetime, at: datetime) -> bytes:
        body = self.look(now)
        finger = body.spo2 is not None
        return bytes(
            cms50.LivePacket(
                spo2=body.spo2,
                pulse_rate=body.pulse_rate,
                pleth=1 + pleth(at, body.pulse_rate, 99) if finger else 0,
                bargraph=8 if finger else 0,
                signal_strength=8 if finger else 0,
                finger_out=not finger,
            )
        )


class Cms50dBt(DeviceModel):
    """CMS50D-BT: silent until asked, and again when the host has said nothing for long."""

    gatt = GATT

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._waves: Cadence | None = None
        self._measurements: Cadence | None = None
        self._awake_until: datetime | None = None

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._awake_until = now + SILENT_AFTER
        if data == bt.START_WAVE:
            self._waves = Cadence(bt.WAVES_PER_SECOND)
        if data == bt.START_MEASUREMENTS:
            self._measurements = Cadence(1)
        return ()

    def step(self, now: datetime) -> Sequence[Said]:
        if self._awake_until is None or now > self._awake_until:
            self._waves = self._measurements = None
            return ()
        waves = [self._wave(now, at) for at in self._waves.moments(now)] if self._waves else []
        values = [self._values(now)] * self._measurements.due(now) if self._measurements else []
        return [Said(data=frame, characteristic=bt.NOTIFY) for frame in (*values, *waves)]

    def _wave(self, now: datetime, at: datetime) -> bytes:
        body = self.look(now)
        if body.spo2 is None:
            return bytes(bt.Pleth(status=4, pleth=0x40, bargraph=0, bar_flags=0x60))
        return bytes(bt.Pleth(status=7, pleth=pleth(at, body.pulse_rate, 100), bargraph=4))

    def _values(self, now: datetime) -> bytes:
        body = self.look(now)
        pulse = body.pulse_rate
        large = pulse is None or pulse > 0x7F
        return bytes(
            bt.Values(
                status=NO_FINGER if large else FINGER,
                pulse_rate=None if large else pulse,
                pulse_rate_unverified=pulse if large else None,
                spo2=body.spo2,
            )
        )


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {
    "contec-cms50-old": Cms50,
    "contec-cms50d-bt": Cms50dBt,
}
