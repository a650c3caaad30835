"""The ways from a gateway to its devices: Bluetooth (the system bus, BlueZ, an adapter) and serial ports."""

import asyncio
import contextlib
import grp
import os
import socket
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, cast
from urllib.parse import unquote

from bedside.doctor.findings import Finding, failed, not_applicable, ok, together, warning
from bedside.doctor.subject import Subject
from bedside.exits import Exit
from device_drivers.advertisement import Advertisement
from device_drivers.errors import BluetoothUnavailable
from device_drivers.transports.ble import Bluetooth
from device_drivers.transports.serial_port import list_ports
from edge_agent.settings import GatewaySettings

LISTEN_SECONDS: Final = 2.0
BUS_VARIABLE: Final = "DBUS_SYSTEM_BUS_ADDRESS"
_SYSTEM_BUS: Final = "unix:path=/run/dbus/system_bus_socket"


def bluetooth(settings: GatewaySettings, _: Subject) -> Finding:
    """Listens for a moment, as the agent does; other listeners are not disturbed."""
    if not any(device.address is not None for device in settings.devices):
        return not_applicable("no Bluetooth device is configured")
    if sys.platform == "linux" and (problem := _bus_problem()):
        advice = "sudo systemctl start dbus bluetooth; in a container mount /run/dbus/system_bus_socket"
        return failed(problem, advice, Exit.UNREACHABLE)
    try:
        heard = asyncio.run(_heard())
    except BluetoothUnavailable as error:
        return failed(error.reason, "sudo systemctl start bluetooth; bluetoothctl power on", Exit.UNREACHABLE)
    return ok(f"works; {heard} devices heard in {LISTEN_SECONDS:g} s")


def serial_ports(settings: GatewaySettings, _: Subject) -> Finding:
    ports = [device.port for device in settings.devices if device.port is not None and "://" not in device.port]
    if not ports:
        return not_applicable("no serial device is configured")
    findings = [_port(Path(port)) for port in ports]
    bad = [finding for finding in findings if finding.advice]
    return together(bad) if bad else ok(f"{len(ports)} ports are there and can be opened")


def _bus_problem() -> str:
    """Why nobody answers on the system bus; empty where somebody does, or where its address is of a kind that isn't a socket's."""
    address = os.environ.get(BUS_VARIABLE) or _SYSTEM_BUS
    kind, _, rest = address.partition(":")
    path = dict(part.partition("=")[::2] for part in rest.split(",")).get("path")
    if kind != "unix" or path is None:
        return ""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(unquote(path))
        except OSError as error:
            return f"no system bus at {path}: {error.strerror}"
    return ""


async def _heard() -> int:
    """How many peripherals advertise. Raises BluetoothUnavailable."""
    addresses: set[str] = set()
    async with Bluetooth() as adapter:
        advertisements = cast("AsyncGenerator[Advertisement, None]", adapter.advertisements())
        async with contextlib.aclosing(advertisements) as heard:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LISTEN_SECONDS):
                    async for advertisement in heard:
                        addresses.add(advertisement.address)
    return len(addresses)


def _port(path: Path) -> Finding:
    if not path.exists():
        plugged = ", ".join(port for port, _ in list_ports()) or "nothing"
        return warning(f"{path} isn't there; plugged in: {plugged}", "plug it in, or name another port in gateway.toml")
    if not os.access(path, os.R_OK | os.W_OK):
        group, user = _group(path), os.environ.get("USER") or str(os.geteuid())
        advice = f"sudo usermod -aG {group} {user}, and log in again (or ask as the agent's user: sudo -u …)"
        return failed(f"{path}: {user} may not open it", advice, Exit.CONFIGURATION)
    return ok(str(path))


def _group(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except KeyError:
        return str(path.stat().st_gid)
