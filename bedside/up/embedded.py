"""The embedded set-up as one running thing: started in order, told when ready, ended in order."""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bedside.exits import CommandFailed, Exit
from bedside.services.locate import ComponentMissing
from bedside.services.process import ServiceFailed
from bedside.up import children, files, readiness
from bedside.up.layout import Layout
from bedside.up.supervisor import Child, Supervisor
from hub.auth.tokens import Role, mint
from simulators.plan import PlannedDevice, WardPlan, default_plan

log = logging.getLogger(__name__)

TOKEN_LIFE: Final = timedelta(hours=24)
LONGEST_STATE: Final = 90
"""Characters of the state folder's path: sockets lie in it, and their paths are limited to about 107."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to start."""

    layout: Layout
    port: int
    simulators: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs where. `missing` says what is not ready after all; `notes` what a person should know."""

    layout: Layout
    hub: str
    mqtt: str
    redis: str
    token: str
    plan: WardPlan
    devices: tuple[PlannedDevice, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    def patient_of(self, device: PlannedDevice) -> str:
        return next(bed.patient_id for bed in self.plan.beds if device in bed.devices)


@contextlib.asynccontextmanager
async def embedded(wish: Wish, *, say: Callable[[str], None]) -> AsyncIterator[Running]:
    """Everything started and ready, or past the limit of `readiness`; ended on the way out.

    Raises CommandFailed: exit 3 for a state folder or port that can't be used, 4 for a program that is missing or fails.
    """
    with _claimed(wish.layout):
        _check_port(wish.port)
        try:
            async with Supervisor() as supervisor:
                yield await _started(wish, supervisor, say)
        except ComponentMissing as error:
            raise CommandFailed(str(error), Exit.UNREACHABLE) from error
        except ServiceFailed as error:
            raise CommandFailed(f"{error}\n{_last_lines(wish.layout)}".rstrip(), Exit.UNREACHABLE) from error


async def _started(wish: Wish, supervisor: Supervisor, say: Callable[[str], None]) -> Running:
    layout, plan = wish.layout, default_plan()
    bus, notes = _bus(wish)
    bluetooth = bus is not None
    devices = tuple(
        device
        for bed in plan.beds
        for device in bed.devices
        if wish.simulators and (bluetooth or device.transport == "serial")
    )
    for note in notes:
        say(note)
    say("starting Redis and the broker")
    redis, broker = await asyncio.gather(
        asyncio.to_thread(children.redis_server, layout), asyncio.to_thread(children.broker, layout)
    )
    servers = [Child(service=service, stop_seconds=children.SERVER_STOP_SECONDS) for service in (redis, broker)]
    started = datetime.now(UTC)
    secret = files.kept_secret(layout.jwt_secret)
    files.write_ward(layout, plan)
    files.write_registry(layout, plan, simulators=wish.simulators)
    files.write_hub(layout, port=wish.port, redis_url=redis.url, mqtt_port=broker.port)
    files.write_gateway(
        layout, plan, mqtt_port=broker.port, started=started, simulators=wish.simulators, bluetooth=bluetooth
    )
    await supervisor.start([*servers, *([bus] if bus else [])])
    say("starting the hub, the gateway's agent" + (" and the simulated ward" if wish.simulators else ""))
    ward = children.ward(layout, bluetooth=bluetooth, started=started.isoformat()) if wish.simulators else None
    agent = children.agent(layout, ward=ward, mqtt_port=broker.port)
    await supervisor.start([children.hub(layout, wish.port), *([ward] if ward else [])], [agent])
    token = mint(
        secret.encode(),
        subject="demo-clinician",
        role=Role.CLINICIAN,
        hospitals=[plan.hospital_id],
        ttl=TOKEN_LIFE,
        now=started,
    )
    address = f"http://127.0.0.1:{wish.port}"
    wanted = readiness.Wanted(layout=layout, hub=address, token=token, started=started, devices=devices)
    say("waiting for the first readings")
    missing = await readiness.missing(wanted)
    return Running(
        layout=layout,
        hub=address,
        mqtt=f"mqtt://127.0.0.1:{broker.port}",
        redis=redis.url,
        token=token,
        plan=plan,
        devices=devices,
        missing=tuple(missing),
        notes=notes,
    )


def _bus(wish: Wish) -> tuple[Child | None, tuple[str, ...]]:
    """The message bus for simulated Bluetooth devices; where there can't be one, the serial half goes without."""
    if not wish.simulators:
        return None, ()
    if sys.platform != "linux":
        return None, ("Bluetooth can't be simulated here (BlueZ is Linux's own): the serial half runs",)
    try:
        return children.message_bus(wish.layout), ()
    except ComponentMissing as error:
        return None, (f"Bluetooth can't be simulated: {error}; the serial half runs",)


@contextlib.contextmanager
def _claimed(layout: Layout) -> Iterator[None]:
    """The state folder, for us alone, with what a killed set-up left cleared away. Raises CommandFailed."""
    if len(str(layout.state)) > LONGEST_STATE:
        advice = f"{layout.state}: longer than {LONGEST_STATE} characters, too long for the sockets in it; name another: --state DIR"
        raise CommandFailed(advice, Exit.CONFIGURATION)
    try:
        layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = layout.lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(
            f"{layout.state}: {error.strerror}; name another: --state DIR", Exit.CONFIGURATION
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise CommandFailed(
                f"{layout.state} is in use by another `bedside up` (process {holder}); stop that one, or name another "
                "folder: --state DIR --port PORT",
                Exit.CONFIGURATION,
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        for folder in (layout.logs, layout.gateway_state):
            folder.mkdir(exist_ok=True)
        shutil.rmtree(layout.ttys, ignore_errors=True)  # by now they may be somebody else's terminals
        yield


def _check_port(port: int) -> None:
    """Raises CommandFailed where the hub could not listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            advice = f"port {port} is taken ({error.strerror}); stop what listens there, or choose another: --port PORT"
            raise CommandFailed(advice, Exit.CONFIGURATION) from error


def _last_lines(layout: Layout, count: int = 5) -> str:
    """Of the log that was written last: what the failed program said."""
    logs = sorted(layout.logs.glob("*.log"), key=lambda path: path.stat().st_mtime)
    return "\n".join(_tail(logs[-1], count)) if logs else ""


def _tail(path: Path, count: int) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
