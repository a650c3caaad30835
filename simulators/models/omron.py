"""Omron cuffs whose memory is read over Bluetooth LE."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from device_drivers import uuids
from device_drivers.checksums import xor8
from device_drivers.cuffs import omron_frames
from device_drivers.cuffs.omron_ble import MODEL_NUMBER
from device_drivers.cuffs.omron_frames import Reply
from device_drivers.cuffs.omron_models import MODELS as MEMORIES
from device_drivers.cuffs.omron_models import Model, Unlock
from device_drivers.cuffs.omron_records import SYSTOLIC_OFFSET
from device_drivers.date_time import DateTime
from simulators.models.model import DeviceModel, Gatt, Look, Property, Said

MEMORY_BYTES: Final = 0x2000
REFUSED: Final = 1
_READABLE: Final = frozenset({Property.READ})
_HEARD: Final = frozenset({Property.NOTIFY})
_WRITTEN: Final = frozenset({Property.WRITE, Property.WRITE_WITHOUT_RESPONSE})


def _gatt(model: Model) -> Gatt:
    service = omron_frames.SERVICE if model.channels > 1 else omron_frames.SINGLE_CHANNEL_SERVICE
    characteristics = {
        omron_frames.UNLOCK: _HEARD | _WRITTEN,
        **dict.fromkeys(model.from_cuff, _HEARD),
        **dict.fromkeys(model.to_cuff, _WRITTEN),
    }
    return Gatt(
        name="BLEsmart_0000016C0000000000AB",
        services={service: characteristics, uuids.DEVICE_INFORMATION_SERVICE: {MODEL_NUMBER: _READABLE}},
        advertised=(service,),
    )


class OmronCuff(DeviceModel):
    """It measures before each connection, answers when it is unlocked, and leaves when the transmission ends.

    `key` is what was written into it when it was paired; `pairing` that it shows a blinking P. Its clock runs `ahead` of ours.
    """

    def __init__(
        self,
        look: Look,
        *,
        model: Model = MEMORIES["HEM-7142T2"],
        key: bytes | None = None,
        pairing: bool = False,
        ahead: timedelta = timedelta(0),
    ) -> None:
        super().__init__(look)
        self.gatt = _gatt(model)
        self.model, self.key, self.pairing, self.ahead = model, key, pairing, ahead
        self.memory = bytearray(b"\xff" * MEMORY_BYTES)
        self._measured = 0
        self._open = model.unlock is Unlock.NOTHING
        self._awake = False
        self._ended = False
        self._listened: set[str] = set()
        self._request = b""

    def connected(self, now: datetime) -> Sequence[Said]:
        self._wake(now)
        return ()

    def disconnected(self) -> None:
        """The host has left; with the next one everything begins anew, but for the memory."""
        self._awake, self._ended, self._open = False, False, self.model.unlock is Unlock.NOTHING
        self._listened.clear()

    def _wake(self, now: datetime) -> None:
        if not self._awake:
            self._awake = True
            self.measure(now)

    def measure(self, now: datetime, user: int = 1) -> None:
        """Store what there is to measure in the next slot of `user`."""
        body, model = self.look(now), self.model
        if body.systolic is None or body.diastolic is None or body.systolic < SYSTOLIC_OFFSET:
            return
        record = model.record(
            systolic=body.systolic,
            diastolic=body.diastolic,
            pulse_rate=body.pulse_rate or 0,
            timestamp=DateTime.of(now + self.ahead),
            sequence=self._measured + 1 if model.record.numbered else None,
        )
        self.store(bytes(record), user)

    def store(self, record: bytes, user: int = 1) -> None:
        """Put a record into the next slot of `user`, over the oldest where all are full."""
        start = self.model.starts[user - 1] + self._measured % self.model.slots * self.model.slot_length
        self.memory[start : start + self.model.slot_length] = record.ljust(self.model.slot_length, b"\0")
        self._measured += 1

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._wake(now)
        self._listened.add(characteristic)
        return ()

    def read(self, now: datetime, characteristic: str) -> bytes:
        if characteristic != MODEL_NUMBER:
            raise KeyError(characteristic)
        return self.model.name.encode()

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        if characteristic == omron_frames.UNLOCK:
            answer = self._unlock(data)
            return self._heard([(omron_frames.UNLOCK, answer)]) if answer else ()
        if characteristic not in self.model.to_cuff:
            return ()
        self._request = data if characteristic == self.model.to_cuff[0] else self._request + data
        if not self._request or len(self._request) < self._request[0]:
            return ()
        reply = bytes(self._reply(now, self._request))
        return self._heard(omron_frames.pieces(reply, self.model.from_cuff))

    def _heard(self, said: Sequence[tuple[str, bytes]]) -> Sequence[Said]:
        return [Said(data=data, characteristic=where) for where, data in said if where in self._listened]

    def _unlock(self, data: bytes) -> bytes:
        key = data[1:17]
        match data[:1]:
            case b"\x02":
                return bytes((0x82, 0 if self.pairing else REFUSED))
            case b"\x00" if self.pairing:
                self.key, self.pairing = key, False
                return b"\x80\x00"
            case b"\x01":
                self._open = self.model.unlock is Unlock.KEY and key == self.key
                return bytes((0x81, 0 if self._open else REFUSED))
            case b"\x11" if self.model.unlock is Unlock.TOKEN:
                self._open = True
                return b"\x91\x00" + data[1:5]
            case _:
                return b""

    def _reply(self, now: datetime, request: bytes) -> Reply:
        """It refuses what it does not know, and everything while it is locked."""
        kind, address, size = request[1:3], int.from_bytes(request[3:5], "big"), request[5]
        if xor8(request) or not self._open:
            return Reply(type=omron_frames.ENDED, status=REFUSED)
        if kind == b"\x00\x00":
            return Reply(type=omron_frames.BEGUN, data=bytes(16))
        if kind == b"\x01\x00" and address + size <= MEMORY_BYTES:
            self._let_clock_run(now)
            return Reply(type=omron_frames.READ, address=address, data=bytes(self.memory[address : address + size]))
        self._ended = kind == b"\x0f\x00"
        return Reply(type=omron_frames.ENDED, status=0 if self._ended else REFUSED)

    def _let_clock_run(self, now: datetime) -> None:
        if (clock := self.model.clock) is not None:
            self.memory[clock.address : clock.address + clock.SIZE] = clock.encoded(DateTime.of(now + self.ahead))

    @property
    def finished(self) -> bool:
        return self._ended


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"omron-ble": OmronCuff}
