"""What an agent with one oximeter left in its state folder."""

from datetime import UTC, datetime, timedelta

import msgspec

from edge_agent import status
from edge_agent.outbox.rows import Counts, Summary

DEVICE = "pulse_oximeter:ox-1"


def report(
    *,
    age: timedelta = timedelta(),
    broker_problem: str | None = None,
    fault: str | None = None,
    oldest_unsent_seconds: float | None = 3.2,
    set_aside: dict[str, int] | None = None,
    **device: object,
) -> status.StatusReport:
    """Said `age` ago; `broker_problem` keeps it from the broker, `fault` from its disk; `device` changes the oximeter's part."""
    counts = msgspec.convert(dict.fromkeys(Counts.__struct_fields__, 0), Counts)
    summary = Summary(
        counts=counts, oldest_unsent=None, used_bytes=1 << 20, max_bytes=1 << 28, set_aside_reasons=set_aside or {}
    )
    return status.StatusReport(
        gateway_id="gw-1",
        at=datetime.now(UTC) - age,
        version="1",
        outbox=status.OutboxReport(
            epoch="e", record_epoch=1, fault=fault, oldest_unsent_seconds=oldest_unsent_seconds, summary=summary
        ),
        mqtt=status.MqttReport(
            connected=broker_problem is None,
            since=None,
            session=1,
            problem=broker_problem,
            batches_unacknowledged=0,
            entries_acknowledged=7,
            entries_rejected=0,
            refused_messages=0,
        ),
        devices={DEVICE: msgspec.structs.replace(_LIVE, **device)},
    )


_LIVE = status.DeviceReport(
    state="live",
    since=None,
    problem=None,
    readings=12,
    last_reading_seconds=0.4,
    battery_percent=None,
    faults=(),
    refused={},
    discarded_bytes=0,
)
