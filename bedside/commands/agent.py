"""`bedside agent run|scan|status`: a bedside gateway."""

import argparse
import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import msgspec

from bedside import logs
from bedside.exits import CommandFailed, Exit
from bedside.gateway import INSTALLED, load_gateway, load_usual_gateway
from bedside.up.layout import Layout
from device_drivers.advertisement import Advertisement
from device_drivers.driver import SerialSettings
from device_drivers.errors import BluetoothUnavailable
from device_drivers.sniffing import settings_to_try
from device_drivers.transports.ble import Bluetooth
from device_drivers.transports.link import Link
from device_drivers.transports.serial_port import list_ports, open_port
from device_drivers.transports.usb_devices import usb_devices
from edge_agent import scan, status
from edge_agent.agent import run as run_agent
from edge_agent.errors import InvalidSettings, OutboxFault
from edge_agent.settings import GatewaySettings, Level

LONGEST_SCAN_SECONDS: Final = 3600.0
LISTEN_SECONDS: Final = 3.5
"""To each setting of a line: a device that speaks once a second says three frames."""
_EXAMPLES: Final = """examples:
  bedside agent scan                             what is in earshot and plugged in, and which driver would take it
  bedside agent run --config gateway.toml        be a gateway
  bedside agent status --config gateway.toml     how that gateway is
every key of gateway.toml: docs/reference/gateway-configuration.md"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLES
    actions = parser.add_subparsers(title="actions", required=True)

    def action(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")

    running = action("run", "read the configured devices and publish what they measure")
    running.add_argument("--config", type=Path, required=True, metavar="FILE", help="gateway.toml")
    running.add_argument(
        "--log-level", choices=[level.value for level in Level], help="before what the file says (INFO)"
    )
    running.set_defaults(run=_run)
    scanning = action("scan", "show devices in earshot and serial ports, with the drivers that would take them")
    scanning.add_argument("--seconds", type=_seconds, default=10.0, help="how long to listen (10)")
    scanning.add_argument(
        "--listen",
        action="store_true",
        help="open each serial port and hear which format its device speaks; sends nothing",
    )
    scanning.add_argument("--state", type=Path, metavar="DIR", help="look at a demo's simulated devices instead")
    scanning.add_argument("--json", action="store_true", help="one JSON object")
    scanning.set_defaults(run=_scan)
    looking = action("status", "show broker, outbox and devices of the agent that runs here")
    which = looking.add_mutually_exclusive_group()
    which.add_argument("--config", type=Path, metavar="FILE", help=f"gateway.toml (the demo's, else {INSTALLED})")
    which.add_argument("--state", type=Path, metavar="DIR", help="a demo's state folder")
    looking.add_argument("--json", action="store_true", help="one JSON object")
    looking.set_defaults(run=_status)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_SCAN_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0, up to {LONGEST_SCAN_SECONDS:.0f}")
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    settings = load_gateway(arguments.config, overrides={"logging.level": arguments.log_level}).settings
    logs.configure(settings.logging)
    try:
        asyncio.run(_until_signalled(settings))
    except* InvalidSettings as errors:
        raise CommandFailed(str(_first(errors)), Exit.CONFIGURATION) from errors
    except* (OutboxFault, OSError) as errors:
        first = _first(errors)
        reason = first.strerror if isinstance(first, OSError) else first
        raise CommandFailed(f"{settings.state_dir}: {reason}", Exit.UNREACHABLE) from errors
    return Exit.OK


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group of groups."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _until_signalled(settings: GatewaySettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_agent(settings, stop=stop)


def _scan(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.ERROR)
    ports = list(list_ports())
    if arguments.state is not None:
        layout = Layout(arguments.state.absolute())
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = layout.bus_address
        ports = [(str(port), "simulated") for port in sorted(layout.ttys.glob("*"))]
    found = asyncio.run(_scanned(arguments.seconds, ports, listen=arguments.listen))
    if arguments.json:
        print(msgspec.json.encode(found).decode())
        return Exit.OK
    for sighting in found.sightings:
        strength = "" if sighting.rssi is None else f"{sighting.rssi} dBm"
        drivers = ", ".join(sighting.drivers) or "no driver"
        print(f"{sighting.transport:7} {sighting.where:24} {sighting.name or '-':28} {strength:8} {drivers}")
        if said := sighting.problem or sighting.heard:
            print(f"{'':8}{said}")
    if found.bluetooth_problem:
        print(f"Bluetooth: {found.bluetooth_problem}")
    if not found.sightings:
        print("nothing found: plug a device in, or wake it, and scan again")
    return Exit.OK


async def _scanned(seconds: float, ports: Sequence[tuple[str, str | None]], *, listen: bool) -> scan.Scan:
    sightings = [*scan.plugged(usb_devices())]
    serial = scan.serial_ports(ports)
    if listen and serial:
        ways = len(settings_to_try())
        print(
            f"listening to {len(serial)} serial ports, set in {ways} ways: {ways * LISTEN_SECONDS:.0f} s",
            file=sys.stderr,
        )
        serial = tuple(await asyncio.gather(*(_listened(port) for port in serial)))
    sightings += serial
    problem = None
    try:
        async with Bluetooth() as bluetooth:
            advertisements = cast("AsyncGenerator[Advertisement, None]", bluetooth.advertisements())
            async with contextlib.aclosing(advertisements) as heard:
                sightings += await scan.advertising(heard, seconds=seconds, sleep=asyncio.sleep)
    except BluetoothUnavailable as error:
        problem = str(error)
    return scan.Scan(sightings=tuple(sightings), bluetooth_problem=problem)


async def _listened(port: scan.Sighting) -> scan.Sighting:
    def connect(path: str, settings: SerialSettings) -> Awaitable[Link]:
        return open_port(path, settings, clock=lambda: datetime.now(UTC))

    return await scan.listened(port, connect, seconds=LISTEN_SECONDS, sleep=asyncio.sleep)


def _status(arguments: argparse.Namespace) -> int:
    settings = load_usual_gateway(arguments.config, arguments.state).settings
    try:
        report = status.read(settings.state_dir)
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is none that this version writes"
        raise CommandFailed(f"{settings.state_dir / status.FILE_NAME}: {reason}") from error
    if report is None:
        raise CommandFailed(f"no agent has run in {settings.state_dir}; start one: bedside agent run", Exit.UNREACHABLE)
    alive = status.is_current(report, datetime.now(UTC))
    if arguments.json:
        print(msgspec.json.encode({"running": alive, **msgspec.to_builtins(report)}).decode())
    else:
        _print_status(report, alive=alive)
    return Exit.OK if alive else Exit.UNREACHABLE


def _print_status(report: status.StatusReport, *, alive: bool) -> None:
    print(f"gateway {report.gateway_id}: {'running' if alive else f'not running since {report.at:%F %T} UTC'}")
    broker = "connected" if report.mqtt.connected else f"not connected ({report.mqtt.problem or 'trying'})"
    print(f"broker: {broker}; acknowledged {report.mqtt.entries_acknowledged}, rejected {report.mqtt.entries_rejected}")
    oldest = report.outbox.oldest_unsent_seconds
    print(f"outbox: {report.outbox.fault or 'ok'}; oldest unsent {'-' if oldest is None else f'{oldest:.0f} s'}")
    for name, device in report.devices.items():
        age = "-" if device.last_reading_seconds is None else f"{device.last_reading_seconds:.0f} s ago"
        line = f"  {name:36} {device.state:12} {device.readings:8} readings, last {age:10} {device.problem or ''}"
        print(line.rstrip())
        if device.samples:
            lost = f", {device.samples_dropped} dropped" if device.samples_dropped else ""
            print(f"  {'':36} waveform: {device.samples} samples, {device.samples_sent} sent{lost}")
