"""Every device of the configuration, each in a task of its own, over one shared Bluetooth adapter.

Bluetooth is only touched when a device needs it, so that a gateway with serial lines alone runs without it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime

from device_drivers.driver import INFLATE, Driver, Transport
from device_drivers.errors import UnknownDriver
from device_drivers.registry import driver
from device_drivers.sessions import Session, SessionContext
from device_drivers.transports.ble import Bluetooth
from device_drivers.transports.link import Link
from device_drivers.transports.serial_port import open_port
from edge_agent.device import Connector, Device, DeviceStatus, Outbox, Profile, Time
from edge_agent.errors import InvalidSettings
from edge_agent.settings import DeviceSettings, GatewaySettings
from edge_agent.waveforms import WaveformBuffer
from vitals.identifiers import DeviceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class BleConnector:
    """A peripheral by its address."""

    bluetooth: Bluetooth
    address: str
    clock: Callable[[], datetime]

    async def sighted(self) -> None:
        await self.bluetooth.wait_for(self.address)

    async def connect(self) -> Link:
        return await self.bluetooth.connect(self.address, clock=self.clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialConnector:
    """A serial line by its port; a port that isn't there fails to connect, and is tried again."""

    port: str
    driver: Driver
    clock: Callable[[], datetime]

    async def sighted(self) -> None:
        return

    async def connect(self) -> Link:
        assert self.driver.serial is not None  # noqa: S101 - the registry gives every serial driver its line settings
        return await open_port(self.port, self.driver.serial, clock=self.clock)


def check_devices(settings: GatewaySettings, *, source: str = "gateway.toml") -> None:
    """Every device has a driver that there is, over the transport that it speaks, and options that it knows. Raises InvalidSettings."""
    for index, device in enumerate(settings.devices):
        where = f"devices[{index}]"
        try:
            chosen = driver(device.driver)
        except UnknownDriver as error:
            raise InvalidSettings(source, f"{where}.driver", str(error)) from error
        _check_transport(chosen, device, source, where)
        _check_options(chosen, device, source, where, allow_inflation=settings.allow_inflation)


def _check_transport(chosen: Driver, device: DeviceSettings, source: str, where: str) -> None:
    if chosen.transport not in (Transport.BLE, Transport.SERIAL):
        raise InvalidSettings(
            source, f"{where}.driver", f"{chosen.key} needs {chosen.transport}, which no agent has yet"
        )
    if (chosen.transport is Transport.SERIAL) is (device.port is None):
        key = "port" if chosen.transport is Transport.SERIAL else "address"
        raise InvalidSettings(source, f"{where}.{key}", f"is what driver {chosen.key} needs")


def _check_options(chosen: Driver, device: DeviceSettings, source: str, where: str, *, allow_inflation: bool) -> None:
    known = {option.name: option for option in chosen.all_options}
    for name, value in device.options.items():
        key = f"{where}.options.{name}"
        if name not in known:
            there = ", ".join(known) or "none"
            raise InvalidSettings(source, key, f"is no option of driver {chosen.key}; there are {there}")
        if problem := known[name].problem(value):
            raise InvalidSettings(source, key, problem)
        if name == INFLATE and value and not allow_inflation:
            raise InvalidSettings(
                source, key, "inflates a cuff: set allow_inflation = true for this gateway, or leave it out"
            )


class Supervisor:
    """Runs devices that `check_devices` has passed; `statuses` shows them by `device_type:device_id`."""

    def __init__(
        self,
        devices: Sequence[DeviceSettings],
        outbox: Outbox,
        *,
        time: Time,
        waveforms: WaveformBuffer,
        allow_inflation: bool = False,
    ) -> None:
        self._settings = devices
        self._waveforms = waveforms
        self._allow_inflation = allow_inflation
        self._outbox = outbox
        self._time = time
        self._devices: dict[str, Device] = {}

    @property
    def statuses(self) -> Mapping[str, DeviceStatus]:
        return {name: device.status for name, device in self._devices.items()}

    async def run(self) -> None:
        """Until cancelled."""
        async with AsyncExitStack() as stack:
            bluetooth = None
            if any(device.address is not None for device in self._settings):
                bluetooth = await stack.enter_async_context(Bluetooth())
            async with asyncio.TaskGroup() as tasks:
                for settings in self._settings:
                    device = self._device(settings, bluetooth)
                    tasks.create_task(device.run(), name=f"device-{settings.device_id}")

    def _device(self, settings: DeviceSettings, bluetooth: Bluetooth | None) -> Device:
        chosen = driver(settings.driver)
        key = DeviceKey(device_type=chosen.device_type, device_id=settings.device_id)
        profile = Profile(
            device=key,
            session=_session_factory(chosen, key, settings),
            sleeps=chosen.sleeps,
            stale_after_seconds=chosen.stale_after_seconds,
            replay=settings.replay,
            allow_inflation=self._allow_inflation,
        )
        if settings.waveforms:
            profile = replace(profile, waveforms=self._waveforms.offer)
        device = Device(profile, self._connector(settings, chosen, bluetooth), self._outbox, time=self._time)
        self._devices[str(key)] = device
        return device

    def _connector(self, settings: DeviceSettings, chosen: Driver, bluetooth: Bluetooth | None) -> Connector:
        if settings.port is not None:
            return SerialConnector(port=settings.port, driver=chosen, clock=self._time.clock)
        assert settings.address is not None and bluetooth is not None  # noqa: S101, PT018 - see `check_devices`
        return BleConnector(bluetooth=bluetooth, address=settings.address, clock=self._time.clock)


def _session_factory(chosen: Driver, key: DeviceKey, settings: DeviceSettings) -> Callable[[], Session]:
    """Sessions of one device share one memory."""
    context = SessionContext(device=key, zone=settings.tzinfo, options=settings.options)
    return lambda: chosen.session(context)
