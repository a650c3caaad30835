"""When an embedded set-up is ready: hub ready, agent at the broker, serial devices live, a reading of each transport recorded."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from bedside.hub_client import HubUnreachable, get
from bedside.up.layout import Layout
from edge_agent import status
from edge_agent.connection import State
from simulators.plan import PlannedDevice

LIMIT_SECONDS: Final = 45.0
_LOOK_AGAIN_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What must be there, and whom to ask. `started`: nothing older counts."""

    layout: Layout
    hub: str
    token: str
    started: datetime
    devices: tuple[PlannedDevice, ...]


async def missing(wanted: Wanted, *, seconds: float = LIMIT_SECONDS) -> list[str]:
    """Return as soon as nothing is missing; after `seconds` say what is."""
    deadline = time.monotonic() + seconds
    looks: list[Callable[[], str | None]] = [lambda: _hub(wanted), lambda: _agent(wanted)]
    looks += [_recorded(wanted, transport) for transport in sorted({device.transport for device in wanted.devices})]
    lacking: list[str] = []
    for look in looks:
        while (problem := await asyncio.to_thread(look)) is not None:
            if time.monotonic() > deadline:
                lacking.append(problem)
                break
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return lacking


def _hub(wanted: Wanted) -> str | None:
    try:
        answer = get(f"{wanted.hub}/health/ready")
    except HubUnreachable as error:
        return f"the hub: {error}"
    if answer.status == 200:
        return None
    checks = answer.content.get("checks", {}) if isinstance(answer.content, dict) else {}
    return f"the hub: {', '.join(f'{name} {said}' for name, said in checks.items() if said != 'ok') or answer.status}"


def _agent(wanted: Wanted) -> str | None:
    report = status.read(wanted.layout.gateway_state)
    if report is None or report.at < wanted.started:
        return f"the agent: it has not reported; see {wanted.layout.logs / 'agent.log'}"
    if not report.mqtt.connected:
        return f"the agent: not at the broker ({report.mqtt.problem or 'trying'})"
    serial = [device.device_id for device in wanted.devices if device.transport == "serial"]
    silent = [name for name in serial if not _live(report, name)]
    return f"serial devices: no readings from {', '.join(silent)}" if silent else None


def _live(report: status.StatusReport, device_id: str) -> bool:
    return any(
        device.state == State.LIVE
        for name, device in report.devices.items()
        if device_id in (name, name.split(":")[-1])
    )


def _recorded(wanted: Wanted, transport: str) -> Callable[[], str | None]:
    """Whether one device of that transport has a reading in the record; each device is asked in turn."""
    devices = [device for device in wanted.devices if device.transport == transport]

    def look() -> str | None:
        if any(_has_reading(wanted, device) for device in devices):
            return None
        return f"{transport}: no reading recorded from {', '.join(device.device_id for device in devices)}"

    return look


def _has_reading(wanted: Wanted, device: PlannedDevice) -> bool:
    since = quote(wanted.started.isoformat())
    url = f"{wanted.hub}/devices/{device.device_type}/{device.device_id}/data?limit=1&since={since}"
    try:
        answer = get(url, token=wanted.token)
    except HubUnreachable:
        return False
    return answer.status == 200 and bool(answer.content["data"])
