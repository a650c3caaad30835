"""The whole agent: a PTY with a Contec oximeter behind it, a real outbox, a real broker, a small hub."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from device_drivers.oximeters.contec_v7_packets import LivePacket
from edge_agent import status
from edge_agent.agent import run
from edge_agent.errors import InvalidSettings
from edge_agent.settings import DeviceSettings, GatewaySettings, MqttSettings
from tests.edge_agent.hub import Hub
from tests.support.waiting import eventually
from vitals.envelope import DeviceEventKind
from vitals.parameters import Parameter

pytestmark = pytest.mark.slow

FRAMES_PER_SECOND = 60
DEVICE = "pulse_oximeter:ox-1"


class Oximeter:
    """A Contec at the other end of a PTY, under a name that stays when it is unplugged and plugged in again."""

    def __init__(self, port: Path) -> None:
        self.port = port
        self.asked = asyncio.Event()
        self._master: int | None = None
        self._line = -1

    def plug_in(self) -> None:
        self._master, self._line = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._line)  # kept open: else the master says EIO without end while the agent doesn't have it open
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(self._line))
        self.asked.clear()
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        if self._master is None:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._line)
        self.port.unlink()
        self._master = None

    def sends(self, data: bytes) -> None:
        assert self._master is not None
        os.write(self._master, data)

    def measures(self, spo2: int) -> None:
        """Two seconds of packets."""
        packet = bytes(
            LivePacket(spo2=spo2, pulse_rate=72, perfusion_index=Decimal(4), waveform=50, bargraph=3, signal_strength=7)
        )
        for _ in range(2 * FRAMES_PER_SECOND):
            self.sends(packet)

    def _readable(self) -> None:
        assert self._master is not None
        os.read(self._master, 4096)
        self.asked.set()


@pytest.fixture
async def oximeter(tmp_path: Path) -> AsyncIterator[Oximeter]:
    device = Oximeter(tmp_path / "ttyOXIMETER")
    yield device
    device.unplug()


@pytest.fixture
def settings(mqtt_settings: MqttSettings, tmp_path: Path, oximeter: Oximeter) -> GatewaySettings:
    return GatewaySettings(
        gateway_id=mqtt_settings.username,
        state_dir=tmp_path / "state",
        mqtt=mqtt_settings,
        devices=(DeviceSettings(device_id="ox-1", driver="contec-v7", port=str(oximeter.port)),),
    )


Agent = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
def agent(settings: GatewaySettings) -> Agent:
    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(run(settings, stop=stop))
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(15):
                await task

    return running


def saturations(hub: Hub) -> list[Decimal | None]:
    return [entry.reading.value(Parameter.SPO2).number for entry in hub.readings]


def with_refusals(state_dir: Path) -> status.StatusReport | None:
    """The status, once it counts something refused."""
    report = status.read(state_dir)
    return report if report and DEVICE in report.devices and report.devices[DEVICE].refused else None


def with_samples(state_dir: Path, has_enough: Callable[[status.DeviceReport], object]) -> status.DeviceReport | None:
    """The device's status, once it counts enough samples."""
    report = status.read(state_dir)
    device = report.devices.get(DEVICE) if report else None
    return device if device and has_enough(device) else None


async def test_an_oximeter_on_a_line_reaches_the_hub(oximeter: Oximeter, agent: Agent, road: Hub):
    oximeter.plug_in()
    async with agent():
        await asyncio.wait_for(oximeter.asked.wait(), 10)
        oximeter.measures(97)
        oximeter.measures(96)
        await road.until(lambda hub: 97 in saturations(hub))


async def test_its_waveform_reaches_the_hub_live_and_leaves_the_outbox_alone(
    oximeter: Oximeter, agent: Agent, road: Hub, settings: GatewaySettings
):
    oximeter.plug_in()
    async with agent():
        await asyncio.wait_for(oximeter.asked.wait(), 10)

        async def heard() -> bool:
            oximeter.measures(97)  # again and again: before there is a link, waveforms are dropped
            return bool(road.chunks)

        await eventually(heard, seconds=30)
        report = await eventually(
            lambda: with_samples(settings.state_dir, lambda device: device.samples_sent), seconds=30
        )
        assert report.samples >= report.samples_sent + report.samples_dropped
    assert {sample for chunk in road.chunks for sample in chunk.samples} == {50}
    assert {(str(chunk.device), chunk.rate_hz, chunk.low, chunk.high) for chunk in road.chunks} == {
        (DEVICE, 60, 0, 127)
    }


async def test_a_device_whose_waveforms_are_switched_off_sends_none(
    oximeter: Oximeter, settings: GatewaySettings, road: Hub
):
    (device,) = settings.devices
    quiet = msgspec.structs.replace(settings, devices=(msgspec.structs.replace(device, waveforms=False),))
    oximeter.plug_in()
    stop = asyncio.Event()
    task = asyncio.create_task(run(quiet, stop=stop))
    await asyncio.wait_for(oximeter.asked.wait(), 10)

    async def measured() -> status.DeviceReport | None:
        oximeter.measures(97)  # again and again: what is said while the agent opens the line is gone
        return with_samples(settings.state_dir, lambda device: device.samples)

    report = await eventually(measured, seconds=30)
    await road.until(lambda hub: 97 in saturations(hub))
    stop.set()
    await asyncio.wait_for(task, 15)
    assert (report.samples_sent, report.samples_dropped, road.chunks) == (0, 0, [])


async def test_unplugging_and_plugging_in_again_are_events_and_the_readings_go_on(
    oximeter: Oximeter, agent: Agent, road: Hub
):
    async with agent():
        oximeter.plug_in()
        await asyncio.wait_for(oximeter.asked.wait(), 10)
        oximeter.measures(97)
        await road.until(lambda hub: 97 in saturations(hub))
        oximeter.unplug()
        await road.until(lambda hub: DeviceEventKind.DISCONNECTED in [entry.event.kind for entry in hub.events])
        oximeter.plug_in()
        await asyncio.wait_for(oximeter.asked.wait(), 10)
        oximeter.measures(91)
        await road.until(lambda hub: 91 in saturations(hub))


async def test_garbage_on_the_line_is_counted_and_told_and_the_readings_go_on(
    oximeter: Oximeter, agent: Agent, road: Hub, settings: GatewaySettings
):
    oximeter.plug_in()
    async with agent():
        await asyncio.wait_for(oximeter.asked.wait(), 10)
        oximeter.sends(os.urandom(3000))
        await road.until(lambda hub: DeviceEventKind.FAULT in [entry.event.kind for entry in hub.events])

        async def measured() -> bool:
            oximeter.measures(97)  # again and again: right behind noise it is not believed
            return 97 in saturations(road)

        await eventually(measured)
        report = await eventually(lambda: with_refusals(settings.state_dir))
    assert report.devices[DEVICE].discarded_bytes > 0
    assert report.mqtt.connected


async def test_a_stopped_agent_says_so_and_starts_a_new_epoch(oximeter: Oximeter, agent: Agent, road: Hub):
    oximeter.plug_in()
    for starts in (1, 2):
        async with agent():
            await asyncio.wait_for(oximeter.asked.wait(), 10)
            await road.until(lambda hub: len({epoch for epoch, _ in hub.entries}) == starts)  # noqa: B023
        oximeter.asked.clear()
    assert "agent_stopped" in [entry.event.reason for entry in road.events]


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (DeviceSettings(device_id="x", driver="abacus", port="/dev/null"), r"devices\[0\]\.driver: .*abacus"),
        (DeviceSettings(device_id="x", driver="contec-v7", address="C0:00"), r"devices\[0\]\.port: is what driver"),
        (
            DeviceSettings(device_id="x", driver="sig-blood-pressure", port="/dev/null"),
            r"devices\[0\]\.address: is what",
        ),
    ],
)
async def test_a_driver_that_does_not_fit_is_said_with_its_key(tmp_path: Path, device: DeviceSettings, said: str):
    settings = GatewaySettings(gateway_id="gw-1", state_dir=tmp_path, devices=(device,))
    with pytest.raises(InvalidSettings, match=said):
        await run(settings, stop=asyncio.Event())
