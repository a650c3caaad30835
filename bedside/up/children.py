"""The programs of an embedded set-up, as children of the supervisor: third-party servers, and this project's own commands."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bedside.hub_client import HubUnreachable, get
from bedside.services.dbus import dbus
from bedside.services.locate import Program
from bedside.services.mosquitto import Mosquitto, mosquitto
from bedside.services.process import Service, accepts
from bedside.services.redis import Redis, redis
from bedside.up.files import kept_secret
from bedside.up.layout import GATEWAY, Layout
from bedside.up.supervisor import Child
from simulators.places import CONTROL

AGENT_STOP_SECONDS: Final = 4.0
HUB_STOP_SECONDS: Final = 6.0
SERVER_STOP_SECONDS: Final = 3.0
"""Ended in three groups one after the other; together less than the fifteen seconds that an interrupt may take."""
_ALIVE_SECONDS: Final = 1.0
_PASSED_ON: Final = ("BEDSIDE_LOGGING__",)


def redis_server(layout: Layout) -> Redis:
    service = redis(layout.state / "redis")
    service.log = layout.logs / "redis.log"
    return service


def broker(layout: Layout) -> Mosquitto:
    """A broker with a generated password for the hub and for the gateway."""
    users = {"hub": kept_secret(layout.hub_password), GATEWAY: kept_secret(layout.gateway_password)}
    service = mosquitto(layout.state / "mosquitto", users=users)
    service.log = layout.logs / "mosquitto.log"
    return service


def message_bus(layout: Layout) -> Child:
    service = dbus(layout.dbus)
    service.log = layout.logs / "dbus.log"
    return Child(service=service, stop_seconds=SERVER_STOP_SECONDS)


def hub(layout: Layout, port: int) -> Child:
    """Answers as soon as it serves; whether it is ready is another question."""
    service = _command(layout, "hub", "hub", "--config", str(layout.hub_toml))
    service.answers = lambda: _lives(port)
    return Child(service=service, stop_seconds=HUB_STOP_SECONDS)


def ward(layout: Layout, *, bluetooth: bool, started: str) -> Child:
    """Answers when every device is there."""
    arguments = ["simulate", "--state", str(layout.state), "--started", started]
    if not bluetooth:
        arguments.append("--no-bluetooth")
    service = _command(layout, "ward", *arguments, bus=layout.bus_address)
    service.answers = lambda: accepts(layout.state / CONTROL)
    return Child(service=service, stop_seconds=AGENT_STOP_SECONDS)


def agent(layout: Layout, *, ward: Child | None, mqtt_port: int) -> Child:
    """With a simulated ward on its message bus, once its devices are there; without, on the system's own. Told where the broker is today."""
    arguments = ("agent", "run", "--config", str(layout.gateway_toml))
    told = {"BEDSIDE_MQTT__PORT": str(mqtt_port), "BEDSIDE_MQTT__PASSWORD_FILE": str(layout.gateway_password)}
    bus = layout.bus_address if ward else None
    service = _command(layout, "agent", *arguments, bus=bus, environment=told)
    service.answers = _running(service)
    return Child(service=service, stop_seconds=AGENT_STOP_SECONDS, after=ward)


def _command(
    layout: Layout, name: str, *arguments: str, bus: str | None = None, environment: Mapping[str, str] | None = None
) -> Service:
    """One of this project's commands, without `answers`. Settings in our own environment are for us, not for what we configure; log levels pass."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("BEDSIDE_") or key.startswith(_PASSED_ON) or key == "BEDSIDE_TOOLS"
    }
    if bus is not None:
        kept["DBUS_SYSTEM_BUS_ADDRESS"] = bus
    return Service(
        name=name,
        program=Program(path=Path(sys.executable), environment=kept | dict(environment or {})),
        arguments=["-P", "-m", "bedside", *arguments],
        log=layout.logs / f"{name}.log",
        answers=lambda: False,
    )


def _running(service: Service) -> Callable[[], bool]:
    """For what serves nobody: it is there."""

    def running() -> bool:
        process: subprocess.Popen[bytes] | None = service.process
        return process is not None and process.poll() is None

    return running


def _lives(port: int) -> bool:
    try:
        return get(f"http://127.0.0.1:{port}/health/live", seconds=_ALIVE_SECONDS).status == 200
    except HubUnreachable:
        return False
