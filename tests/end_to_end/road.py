"""The whole road, started as a user starts it: `bedside demo --json`, on a free port and in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bedside.commands.token import make_token
from bedside.up.layout import Layout
from simulators.control import order
from simulators.places import CONTROL
from tests.support import processes
from tests.support.net import free_port
from tests.support.processes import Process

READY_SECONDS = 90
STOP_SECONDS = 15  # what an interrupt may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """A running demo: what its ready line said, how long it took to say it, and the process; `log` is its standard error."""

    ready: Mapping[str, Any]
    ready_seconds: float
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def hub(self) -> str:
        return self.ready["hub"]

    @property
    def live(self) -> str:
        return self.hub.replace("http://", "ws://") + "/realtime"

    @property
    def token(self) -> str:
        return self.ready["token"]

    @property
    def state(self) -> Path:
        return Path(self.ready["state"])

    @property
    def layout(self) -> Layout:
        return Layout(self.state)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def patients(self) -> list[str]:
        return [patient["patient_id"] for patient in self.ready["patients"]]

    @property
    def spot_checks(self) -> set[str]:
        """The cuffs and thermometers: what they were not heard to say they keep."""
        return {device["device_id"] for device in self.ready["devices"] if device["transport"] == "ble"}

    @property
    def lines(self) -> set[str]:
        """The oximeters on serial lines."""
        return {device["device_id"] for device in self.ready["devices"] if device["transport"] == "serial"}

    def token_for(self, role: str) -> str:
        return make_token(self.layout, role)

    def device(self, device_type: str, patient_id: str | None = None) -> dict:
        """One device of that type, that of `patient_id` where given."""
        return next(
            device
            for device in self.ready["devices"]
            if device["device_type"] == device_type and patient_id in (None, device["patient_id"])
        )

    async def order(self, **told: object) -> None:
        """Tell the ward what happens; see `simulators.control`."""
        await order(self.state / CONTROL, **told)

    def component(self, name: str) -> Process | None:
        """`hub`, `agent`, `simulate`, `redis-server`, `mosquitto` or `dbus-daemon`; None while it is not running."""
        return processes.component(self.process.pid, name)


def spawn(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """A `bedside` command in a session of its own, as from a terminal of its own; what it says on standard error goes to `log`."""
    command = [sys.executable, "-m", "bedside", *arguments]
    with log.open("wb") as errors:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, bufsize=0)


def start_road(folder: Path, *, port: int | None = None) -> Road:
    """A demo whose state lies in `folder`. Fails with the demo's own log where it does not become ready."""
    log = folder.parent / f"{folder.name}.log"
    began = time.monotonic()
    process = spawn("demo", "--json", "--port", str(port or free_port()), "--state", str(folder), log=log)
    line = first_line(process)
    if not line:
        process.kill()
        process.communicate()
        pytest.fail(f"the demo was not ready within {READY_SECONDS} s:\n{log.read_text()[-4000:]}")
    return Road(ready=json.loads(line), ready_seconds=time.monotonic() - began, process=process, log=log)


def first_line(process: subprocess.Popen[bytes]) -> bytes:
    """What it says first on standard output; empty where it ends before, or says nothing in time."""
    assert process.stdout is not None
    watchdog = threading.Timer(READY_SECONDS, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    return line


def stop_road(road: Road) -> None:
    """Interrupt it. Fails where it does not end in time, and well."""
    os.kill(road.process.pid, signal.SIGINT)
    ended(road.process)
    assert road.process.returncode == 0, road.log.read_text()[-4000:]


def ended(process: subprocess.Popen[bytes]) -> bytes:
    """Wait for its end, as long as an interrupt may take; what else it said. One that takes longer is killed, and fails the test."""
    try:
        return process.communicate(timeout=STOP_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"it did not end within {STOP_SECONDS} s")
