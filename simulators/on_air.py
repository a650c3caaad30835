"""A device model on the virtual radio."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from simulators.errors import LinkGone, Unreadable
from simulators.models.model import STEPS_PER_SECOND, DeviceModel, Gatt, Property, Said
from simulators.peripherals.gatt import CharacteristicSpec, GattPeripheral, ServiceSpec
from simulators.radio import Radio

log = logging.getLogger(__name__)

T = TypeVar("T")

LINGER_SECONDS: Final = 0.3
"""After the last word, so that the host's own work is done before the device leaves."""
SLEEP_SECONDS: Final = 2.0


class OnAir:
    """Advertises, is connected to, speaks, leaves when it has said all, and sleeps before it is there again; `run` until cancelled.

    `another` makes the model of each connection, as a device's state begins anew with it; the last one is `model`.
    """

    def __init__(
        self,
        another: Callable[[], DeviceModel],
        radio: Radio,
        *,
        address: str,
        clock: Callable[[], datetime],
        sleep_seconds: float = SLEEP_SECONDS,
    ) -> None:
        self.model = another()
        gatt = self.model.gatt
        assert gatt is not None  # noqa: S101 - a model of a Bluetooth device says what it shows
        self._another = another
        self._clock = clock
        self._sleep_seconds = sleep_seconds
        self._waiting: deque[Said] = deque()
        self._failure: Exception | None = None
        self._fault: Callable[[bytes], bytes] | None = None
        self._properties = gatt.properties
        self._peripheral = GattPeripheral(
            radio,
            name=gatt.name,
            address=address,
            services=_services(gatt, self._read, self._written),
            advertised=gatt.advertised,
            manufacturer_data=gatt.manufacturer_data,
        )

    def spoil_next(self, fault: Callable[[bytes], bytes]) -> None:
        """Damage the next value that is sent."""
        self._fault = fault

    async def lose_link(self, reason: int) -> None:
        """End the connection, as walking away would."""
        await self._peripheral.drop(reason)

    async def run(self) -> None:
        """Until cancelled. What a model raises ends it."""
        await self._peripheral.power_on()
        while True:
            self.model = self._another()
            self._waiting.clear()
            await self._peripheral.advertise()
            await self._peripheral.wait_connected()
            try:
                await self._converse()
            finally:
                await self._peripheral.drop()
            await self._peripheral.wait_disconnected()
            await asyncio.sleep(self._sleep_seconds)

    async def _converse(self) -> None:
        """Until the model has said all, or the host has left."""
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(self._watch(uuid), name=uuid) for uuid in self._notifying]
            try:
                await self._speak()
                await asyncio.sleep(LINGER_SECONDS)
            except LinkGone as gone:
                log.debug("%s: %s", self._peripheral.name, gone)
            finally:
                for task in watching:
                    task.cancel()
        self._raise_failure()

    async def _speak(self) -> None:
        self._waiting += self.model.connected(self._clock())
        while self._peripheral.is_connected and (self._waiting or not self.model.finished):
            await self._say()
            await asyncio.sleep(1 / STEPS_PER_SECOND)
            self._raise_failure()
            self._waiting += self.model.step(self._clock())

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    @property
    def _notifying(self) -> list[str]:
        return [uuid for uuid, found in self._properties.items() if found & {Property.NOTIFY, Property.INDICATE}]

    async def _watch(self, uuid: str) -> None:
        try:
            await self._peripheral.wait_subscribed(uuid)
        except LinkGone:
            return
        self._waiting += self.model.subscribed(self._clock(), uuid)

    async def _say(self) -> None:
        while self._waiting:
            said = self._waiting.popleft()
            assert said.characteristic is not None  # noqa: S101 - what a Bluetooth device says has a characteristic
            fault, self._fault = self._fault, None
            data = fault(said.data) if fault else said.data
            if Property.INDICATE in self._properties[said.characteristic]:
                await self._peripheral.indicate(said.characteristic, data)
            else:
                await self._peripheral.notify(said.characteristic, data)

    def _read(self, uuid: str) -> bytes:
        return self._asked(lambda: self._read_of_model(uuid))

    def _read_of_model(self, uuid: str) -> bytes:
        try:
            return self.model.read(self._clock(), uuid)
        except KeyError as error:
            if error.args != (uuid,):
                raise
            raise Unreadable(uuid) from error

    def _written(self, uuid: str, data: bytes) -> None:
        self._waiting += self._asked(lambda: self.model.received(self._clock(), data, uuid))

    def _asked(self, ask: Callable[[], T]) -> T:
        """What the model answers. Bumble keeps what is raised here to itself: `run` raises it too."""
        try:
            return ask()
        except Unreadable:
            raise
        except Exception as error:
            self._failure = error
            raise


def _services(gatt: Gatt, read: Callable[[str], bytes], written: Callable[[str, bytes], None]) -> Sequence[ServiceSpec]:
    return [
        ServiceSpec(uuid=service, characteristics=_characteristics(members, read, written))
        for service, members in gatt.services.items()
    ]


def _characteristics(
    members: Mapping[str, frozenset[Property]],
    read: Callable[[str], bytes],
    written: Callable[[str, bytes], None],
) -> Sequence[CharacteristicSpec]:
    return [
        CharacteristicSpec(uuid=uuid, properties=properties, read=partial(read, uuid), written=partial(written, uuid))
        for uuid, properties in members.items()
    ]
