"""A part that hangs does not hang readiness, and one that fails is named with what to do."""

import asyncio
from types import SimpleNamespace

from hub import readiness
from hub.errors import RecordUnavailable


async def test_a_part_that_hangs_is_named_in_time(monkeypatch):
    """Two seconds are for people; the test's own are shorter."""
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.05)

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def fails() -> None:
        raise RecordUnavailable("the database does not answer")

    async def answers() -> None:
        pass

    live = SimpleNamespace(feed=SimpleNamespace(healthy=True), clients=SimpleNamespace(draining=False))
    states = await readiness.readiness(live, {"redis": hangs, "record": fails, "other": answers})
    assert states == {
        "live_rooms": "ok",
        "redis": "no answer within 0.05 s",
        "record": "RecordUnavailable",
        "other": "ok",
    }
    assert readiness.advice(states).keys() == {"redis", "record"}


def test_a_restore_is_to_be_told_only_where_it_is_known():
    """Who follows that advice for nothing stops every hub and begins all rooms anew."""
    states = {"redis": "RoomsUnavailable", "record_epoch": "RoomsUnavailable"}
    assert "restored" not in readiness.advice(states)["record_epoch"]
    assert "bedside database restored" in readiness.advice({"record_epoch": "RestoreUntold"})["record_epoch"]
