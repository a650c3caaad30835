"""Microlife's Bluetooth cuff."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers.cuffs import microlife
from device_drivers.cuffs.microlife import Frame, Record
from device_drivers.date_time import DateTime
from device_drivers.errors import Undecodable
from device_drivers.stream_session import in_chunks
from simulators.models.model import DeviceModel, Gatt, Look, Property, Said

USER: Final = 1
_ID_LENGTH: Final = 20


class MicrolifeCuff(DeviceModel):
    """It measures before each connection, says what it is asked, and leaves when told to. Its clock runs `ahead` of ours until it is set."""

    gatt = Gatt(
        name="BP3GY1-2N",
        services={
            microlife.SERVICE: {
                microlife.NOTIFY: frozenset({Property.NOTIFY}),
                microlife.WRITE: frozenset({Property.WRITE, Property.WRITE_WITHOUT_RESPONSE}),
            }
        },
        advertised=(microlife.SERVICE,),
    )

    def __init__(self, look: Look, *, ahead: timedelta = timedelta(0)) -> None:
        super().__init__(look)
        self.ahead = ahead
        self.records: list[Record] = []
        self._heard = b""
        self._listens = False
        self._awake = False
        self._ended = False

    def connected(self, now: datetime) -> Sequence[Said]:
        self._wake(now)
        return ()

    def disconnected(self) -> None:
        """The host has left; with the next one everything begins anew, but for clock and memory."""
        self._awake, self._ended, self._listens, self._heard = False, False, False, b""

    def _wake(self, now: datetime) -> None:
        if not self._awake:
            self._awake = True
            self.measure(now)

    def measure(self, now: datetime) -> None:
        """Store what there is to measure."""
        body, time = self.look(now), (now + self.ahead).replace(second=0, microsecond=0)
        if body.systolic is not None and body.diastolic is not None:
            self.records.append(
                Record(
                    systolic=min(body.systolic, 0xFF),
                    diastolic=body.diastolic,
                    pulse_rate=body.pulse_rate or 0,
                    timestamp=DateTime.of(time),
                )
            )

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._wake(now)
        self._listens = self._listens or characteristic == microlife.NOTIFY
        return ()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if characteristic != microlife.WRITE:
            return ()
        self._heard += data
        try:
            frame = Frame.from_bytes(self._heard)
        except Undecodable:
            return ()
        self._heard = b""
        answer = self._answer(now, frame.payload) if frame.to_cuff else None
        if answer is None or not self._listens:
            return ()
        return [Said(data=piece, characteristic=microlife.NOTIFY) for piece in in_chunks(bytes(Frame(payload=answer)))]

    def _answer(self, now: datetime, payload: bytes) -> bytes | None:
        if payload == microlife.GET_ID:
            return b"\x05" + bytes((USER,)) + bytes(_ID_LENGTH) + b"\x02" + bytes(_ID_LENGTH)
        if payload == microlife.GET_RECORDS:
            return bytes(microlife.FIRST_RECORD) + b"".join(map(bytes, self.records)) + bytes(microlife.RECORD_LENGTH)
        if payload[:1] == microlife.SET_CLOCK and len(payload) == len(b"\x0dYMDhms"):
            year, month, day, hour, minute, second = payload[1:]
            given = datetime(2000 + year, month, day, hour, minute, second, tzinfo=now.tzinfo)
            self.ahead = given - now.replace(microsecond=0)
            return microlife.ACKNOWLEDGED
        self._ended = payload == microlife.DISCONNECT
        return None

    @property
    def finished(self) -> bool:
        return self._ended


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"microlife-ble": MicrolifeCuff}
