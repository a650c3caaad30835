"""status.json: what it says, how it is replaced."""

from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent import status
from edge_agent.connection import State
from edge_agent.device import DeviceStatus
from edge_agent.outbox import Outbox
from edge_agent.publisher import LinkStatus
from tests.edge_agent.samples import NOON, Clock, reading


async def report_of(path: Path, *, age_seconds: float = 0) -> status.StatusReport:
    clock = Clock()
    outbox = await Outbox.open(path / "outbox.sqlite", clock=clock)
    await outbox.commit(reading(), reading())
    clock.advance(age_seconds)
    device = DeviceStatus(state=State.LIVE, since=NOON, readings=2, last_reading=NOON, battery_percent=80)
    device.refused["checksum"] += 3
    found = await status.gather(
        gateway_id="gw-1",
        version="1",
        now=clock(),
        outbox=outbox,
        link=LinkStatus(connected=True, since=NOON, session=4),
        devices={"pulse_oximeter:ox-1": device},
    )
    await outbox.close()
    return found


async def test_it_says_how_old_the_oldest_unsent_entry_and_the_last_reading_are(tmp_path: Path):
    report = await report_of(tmp_path, age_seconds=90)
    assert report.outbox.oldest_unsent_seconds == 90
    assert report.outbox.summary is not None
    assert report.outbox.summary.counts.unsent_readings == 2
    device = report.devices["pulse_oximeter:ox-1"]
    assert (device.state, device.last_reading_seconds, device.refused) == ("live", 90, {"checksum": 3})


async def test_what_is_written_is_read_back(tmp_path: Path):
    report = await report_of(tmp_path)
    status.write(report, tmp_path)
    assert status.read(tmp_path) == report


async def test_it_holds_no_values_of_readings(tmp_path: Path):
    report = await report_of(tmp_path)
    status.write(report, tmp_path)
    text = (tmp_path / status.FILE_NAME).read_text().replace(report.outbox.epoch, "")  # random: it may hold any digits
    assert "spo2" not in text
    assert "97" not in text


async def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    report = await report_of(tmp_path)
    status.write(report, tmp_path)

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        status.write(report, tmp_path)
    monkeypatch.undo()
    assert status.read(tmp_path) == report
    assert names_like(tmp_path, "*status*") == [status.FILE_NAME]


def names_like(folder: Path, pattern: str) -> list[str]:
    return [path.name for path in folder.glob(pattern)]


def test_no_file_is_no_status(tmp_path: Path):
    assert status.read(tmp_path) is None


async def test_a_status_of_long_ago_is_not_current(tmp_path: Path):
    report = await report_of(tmp_path)
    assert status.is_current(report, NOON + timedelta(seconds=9))
    assert not status.is_current(report, NOON + timedelta(seconds=11))
