"""The checks of a bedside gateway, by its configuration."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from bedside.configuration import Loaded
from bedside.doctor import agent, broker, links
from bedside.doctor.findings import Finding, failed, not_applicable, ok
from bedside.doctor.machine import Folder
from bedside.doctor.running import Check
from bedside.doctor.subject import Subject
from bedside.exits import CommandFailed, Exit
from bedside.gateway import load_gateway
from edge_agent.agent import OUTBOX_FILE
from edge_agent.settings import GatewaySettings
from vitals.topics import FROM_HUB, topic


class Gateway:
    """A gateway's settings, or what is wrong with them. `told` is what an embedded set-up tells its agent beside the file."""

    def __init__(self, file: Path, subject: Subject, *, told: Mapping[str, str] | None = None) -> None:
        self._file = file
        self._subject = subject
        self.loaded: Loaded[GatewaySettings] | None = None
        self._fault = ""
        try:
            self.loaded = load_gateway(file, environment=subject.environment if told is None else told)
        except CommandFailed as failure:
            self._fault = str(failure)

    @property
    def is_simulated(self) -> bool:
        """Whether its devices are those of a simulated ward."""
        return self.loaded is not None and any(device.replay is not None for device in self.loaded.settings.devices)

    def configuration(self) -> Finding:
        if self._fault:
            advice = f"mend it, then: bedside config check --gateway {self._file}"
            return failed(self._fault, advice, Exit.CONFIGURATION)
        return ok(f"{self._file} is sound")

    def here(self) -> Iterator[Check]:
        yield Check(name="gateway.toml", look=self.configuration)

    def running(self) -> Iterator[Check]:
        """What the agent reports and what it needs; not asked where the settings can't be used."""
        if self._subject.layout is not None and self.is_simulated:
            os.environ[links.BUS_VARIABLE] = self._subject.layout.bus_address
        for name, look in _ASKED.items():
            yield Check(name=name, look=partial(self._asked, look))

    def _asked(self, look: Callable[[GatewaySettings, Subject], Finding]) -> Finding:
        if self.loaded is None:
            return not_applicable("gateway.toml must be mended first")
        return look(self.loaded.settings, self._subject)

    def secrets(self) -> Iterator[Path]:
        if self.loaded is not None and self.loaded.settings.mqtt.password_file is not None:
            yield self.loaded.settings.mqtt.password_file

    def folders(self) -> Iterator[Folder]:
        if self.loaded is None:
            return
        settings = self.loaded.settings
        box = settings.state_dir / OUTBOX_FILE
        has = box.stat().st_size if box.exists() else 0
        yield Folder(
            path=settings.state_dir.absolute(),
            wanted_bytes=max(0, settings.outbox.max_bytes - has),
            durable=not self.is_simulated,
        )


def _broker(settings: GatewaySettings, subject: Subject) -> Finding:
    """Nothing is published: the hub would have to refuse it."""
    visit = broker.Visit(
        settings=settings.mqtt,
        user=settings.mqtt.username or settings.gateway_id,
        reads=[topic(settings.gateway_id, channel) for channel in FROM_HUB],
    )
    return broker.ask(visit, away=subject.see("mosquitto", "mosquitto"))


_ASKED: Final[Mapping[str, Callable[[GatewaySettings, Subject], Finding]]] = {
    "agent": agent.running,
    "outbox": agent.outbox,
    "devices": agent.devices,
    "broker, as the gateway": _broker,
    "Bluetooth": links.bluetooth,
    "serial ports": links.serial_ports,
}
