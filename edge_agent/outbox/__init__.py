"""The durable outbox: a reading exists from its commit here, and leaves only on the hub's own acknowledgement."""

from edge_agent.outbox.outbox import Committed, Outbox, OutboxLimits
from edge_agent.outbox.rows import Counts, Kind, Row, Summary

__all__ = ["Committed", "Counts", "Kind", "Outbox", "OutboxLimits", "Row", "Summary"]
