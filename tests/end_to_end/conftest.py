"""The whole road, started as a user starts it: `bedside demo --json`, on free ports and in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.net import free_port

READY_SECONDS = 90
STOP_SECONDS = 15  # what an interrupt may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """A running demo: what its ready line said, and the process."""

    ready: dict
    process: subprocess.Popen

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
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def device(self, device_type: str, patient_id: str | None = None) -> dict:
        """One device of that type, that of `patient_id` where given."""
        return next(
            device
            for device in self.ready["devices"]
            if device["device_type"] == device_type and patient_id in (None, device["patient_id"])
        )


def start_road(folder: Path) -> Road:
    """A demo whose state lies in `folder`. Fails with the demo's own log where it does not become ready."""
    command = [sys.executable, "-m", "bedside", "demo", "--json", "--port", str(free_port()), "--state", str(folder)]
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
    assert process.stdout is not None
    watchdog = threading.Timer(READY_SECONDS, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    if not line:
        process.kill()
        pytest.fail(f"the demo was not ready within {READY_SECONDS} s:\n{log.read_text()[-4000:]}")
    return Road(ready=json.loads(line), process=process)


def stop_road(road: Road) -> None:
    os.kill(road.process.pid, signal.SIGINT)
    road.process.wait(STOP_SECONDS)


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """One demo for all tests that only look and ask; those that kill something start their own."""
    running = start_road(tmp_path_factory.mktemp("road") / "state")
    yield running
    stop_road(running)
