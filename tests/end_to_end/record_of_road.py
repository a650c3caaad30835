"""What a demo's record and outbox hold, read from their files as they are."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge_agent import status
from simulators.ledger import Recorded
from tests.end_to_end.road import Road

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows(road: Road, query: str, *arguments: object) -> list[dict[str, Any]]:
    with _opened(road.layout.record) as database:
        return [dict(row) for row in database.execute(query, arguments)]


def recorded(road: Road) -> list[Recorded]:
    """Every reading, as the ledger's oracle takes it."""
    return [
        Recorded(
            device_id=row["device_id"],
            measured=_EPOCH + timedelta(microseconds=row["measured"]),
            numbers=numbers(row["vital_values"]),
        )
        for row in rows(road, "SELECT device_id, measured, vital_values FROM readings")
    ]


def numbers(vital_values: str) -> dict[str, float]:
    """The numbers of a row's values, by parameter."""
    values = json.loads(vital_values)
    return {value["parameter"]: float(value["number"]) for value in values if value["number"] is not None}


def unsent(road: Road) -> int | None:
    """How many entries wait in the gateway's outbox; None where its agent does not say."""
    report = status.read(road.layout.gateway_state)
    if report is None or report.outbox.summary is None or not status.is_current(report, datetime.now(UTC)):
        return None
    counts = report.outbox.summary.counts
    return counts.unsent_readings + counts.unsent_events


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        database.row_factory = sqlite3.Row
        yield database
