"""What `bedside agent status` shows: a file in the state folder, replaced whole every second while the agent runs.

Holds no values of readings: counts, times, states and what is wrong.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.device import DeviceStatus
from edge_agent.errors import OutboxFault
from edge_agent.outbox import Outbox, Summary
from edge_agent.publisher import LinkStatus
from edge_agent.waveforms import Counts
from vitals.identifiers import GatewayId, OutboxEpoch
from vitals.readings import Instant

FILE_NAME: Final = "status.json"
_NO_WAVEFORMS: Final[Mapping[str, Counts]] = {}
STALE_SECONDS: Final = 10.0
"""A status older than this was left by an agent that runs no more."""


class OutboxReport(msgspec.Struct, frozen=True, kw_only=True):
    """`fault` is set while the disk refuses; the numbers are then the last known ones, or None."""

    epoch: OutboxEpoch
    record_epoch: int
    fault: str | None
    oldest_unsent_seconds: float | None
    summary: Summary | None


class MqttReport(msgspec.Struct, frozen=True, kw_only=True):
    connected: bool
    since: Instant | None
    session: int
    problem: str | None
    batches_unacknowledged: int
    entries_acknowledged: int
    entries_rejected: int
    refused_messages: int


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """`samples` of waveforms came from the device; of these `samples_sent` went to the broker, and `samples_dropped` had no road or no time."""

    state: str
    since: Instant | None
    problem: str | None
    readings: int
    samples: int = 0
    samples_sent: int = 0
    samples_dropped: int = 0
    last_reading_seconds: float | None
    battery_percent: int | None
    faults: tuple[str, ...]
    refused: dict[str, int]
    discarded_bytes: int


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    gateway_id: GatewayId
    at: Instant
    version: str
    outbox: OutboxReport
    mqtt: MqttReport
    devices: dict[str, DeviceReport]


async def gather(
    *,
    gateway_id: GatewayId,
    version: str,
    now: datetime,
    outbox: Outbox,
    link: LinkStatus,
    devices: Mapping[str, DeviceStatus],
    waveforms: Mapping[str, Counts] = _NO_WAVEFORMS,
) -> StatusReport:
    """The state of everything at `now`. `devices` and `waveforms` by `device_type:device_id`."""
    return StatusReport(
        gateway_id=gateway_id,
        at=now,
        version=version,
        outbox=await _outbox_report(outbox, now),
        mqtt=msgspec.convert(link, MqttReport, from_attributes=True),
        devices={name: _device_report(status, waveforms.get(name, Counts()), now) for name, status in devices.items()},
    )


def write(report: StatusReport, state_dir: Path) -> None:
    """Replace the file whole, so that a reader sees an old or a new one. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=state_dir, prefix=f".{FILE_NAME}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(report))
        Path(name).replace(state_dir / FILE_NAME)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read(state_dir: Path) -> StatusReport | None:
    """What the agent wrote last; None where none ever did."""
    try:
        return msgspec.json.decode((state_dir / FILE_NAME).read_bytes(), type=StatusReport)
    except FileNotFoundError:
        return None


def is_current(report: StatusReport, now: datetime) -> bool:
    """Whether the agent that wrote it was alive just now."""
    return (now - report.at).total_seconds() < STALE_SECONDS


async def _outbox_report(outbox: Outbox, now: datetime) -> OutboxReport:
    summary: Summary | None = None
    with contextlib.suppress(OutboxFault):  # said in `fault`
        summary = await outbox.summary()
    oldest = summary.oldest_unsent if summary else None
    return OutboxReport(
        epoch=outbox.epoch,
        record_epoch=outbox.record_epoch,
        fault=str(outbox.fault) if outbox.fault else None,
        oldest_unsent_seconds=None if oldest is None else round(now.timestamp() - oldest / 1000, 3),
        summary=summary,
    )


def _device_report(status: DeviceStatus, waveforms: Counts, now: datetime) -> DeviceReport:
    last = status.last_reading
    return DeviceReport(
        state=status.state,
        since=status.since,
        problem=status.problem,
        readings=status.readings,
        samples=status.samples,
        samples_sent=waveforms.sent,
        samples_dropped=waveforms.dropped,
        last_reading_seconds=None if last is None else round((now - last).total_seconds(), 3),
        battery_percent=status.battery_percent,
        faults=status.faults,
        refused=dict(status.refused),
        discarded_bytes=status.discarded_bytes,
    )
