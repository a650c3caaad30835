"""BCI oximeters, on a serial line and on the radio: a hundred frames a second, unasked."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from device_drivers.oximeters import bci
from simulators.models.model import Body, Cadence, DeviceModel, Gatt, Look, Property, Said
from simulators.models.pleth import pleth

GATT: Final = Gatt(
    name="BerryMed",
    services={
        bci.BERRY_SERVICE: {
            bci.BERRY_NOTIFY: frozenset({Property.NOTIFY}),
            bci.BERRY_WRITE: frozenset({Property.WRITE, Property.WRITE_WITHOUT_RESPONSE}),
        }
    },
)
NOTIFICATION_BYTES: Final = 20
"""What fits into a notification; a frame may be cut by its end."""


def packet(body: Body, now: datetime) -> bytes:
    """The frame that the sensor makes of it."""
    finger = body.spo2 is not None
    return bytes(
        bci.DataPacket(
            spo2=body.spo2,
            pulse_rate=body.pulse_rate,
            pleth=1 + pleth(now, body.pulse_rate, bci.SCALE.high - 1) if finger else 0,
            bargraph=8 if finger else 0,
            signal_strength=7 if finger else 0,
            no_signal=not finger,
            no_finger=not finger,
        )
    )


class Bci(DeviceModel):
    """On a serial line."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._frames = Cadence(bci.FRAMES_PER_SECOND)

    def step(self, now: datetime) -> Sequence[Said]:
        frames = b"".join(packet(self.look(now), at) for at in self._frames.moments(now))
        return [Said(data=frames)] if frames else []


class Berry(Bci):
    """On the radio: notifications hold several frames, and end anywhere."""

    gatt = GATT

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._subscribed = False

    def subscribed(self, now: datetime, characteristic: str) -> Sequence[Said]:
        self._subscribed = True
        return ()

    def step(self, now: datetime) -> Sequence[Said]:
        said = super().step(now) if self._subscribed else ()
        notify = partial(Said, characteristic=bci.BERRY_NOTIFY)
        return [
            notify(data=one.data[at : at + NOTIFICATION_BYTES])
            for one in said
            for at in range(0, len(one.data), NOTIFICATION_BYTES)
        ]


MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = {"bci-serial": Bci, "berry-ble": Berry}
