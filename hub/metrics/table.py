"""Every metric of `GET /metrics`. No label names a user, a patient, a room, a gateway or a token, and every label has few values.

Names follow Prometheus's conventions: `_total` counters since the process began, seconds and bytes as units.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

import msgspec


@unique
class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(msgspec.Struct, frozen=True):
    """`labels` are in the order in which samples give their values."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_ALL: Final = (
    Metric("bedside_build_info", Kind.GAUGE, "1; the version that runs.", ("version",)),
    Metric("bedside_check_ok", Kind.GAUGE, "1 where a check of /health/ready passes, else 0.", ("check",)),
    Metric("bedside_draining", Kind.GAUGE, "1 while this node lets no one in because it stops."),
    Metric("bedside_nodes", Kind.GAUGE, "Serving nodes that live, as this one last saw it."),
    Metric("bedside_connections", Kind.GAUGE, "Clients connected to this node.", ("transport",)),
    Metric("bedside_users", Kind.GAUGE, "Different users connected to this node."),
    Metric("bedside_rooms_followed", Kind.GAUGE, "Rooms that clients of this node follow."),
    Metric(
        "bedside_connections_ended_total",
        Kind.COUNTER,
        "Connections that ended, by the closing code of this node; `client` where the client left or was lost.",
        ("code",),
    ),
    Metric(
        "bedside_connections_refused_total",
        Kind.COUNTER,
        "Connections that were refused because their user has as many as allowed over all nodes.",
    ),
    Metric(
        "bedside_frames_sent_total",
        Kind.COUNTER,
        "Messages delivered to clients: one for each client that a room's message goes to, and what the hub itself says.",
    ),
    Metric("bedside_writes_total", Kind.COUNTER, "Writes to clients; the messages of one turn share a write."),
    Metric(
        "bedside_numerics_coalesced_total",
        Kind.COUNTER,
        "Continuous values that were replaced by newer ones before a client got them.",
    ),
    Metric("bedside_waveforms_dropped_total", Kind.COUNTER, "Messages of waveforms that slow clients were not sent."),
    Metric(
        "bedside_delivery_lag_seconds",
        Kind.HISTOGRAM,
        "From a live message's publication, by the owner's clock, to its write to this node's clients; of the first of each turn.",
    ),
    Metric(
        "bedside_recoveries_total",
        Kind.COUNTER,
        "Rooms resumed by clients (`resume`), and read again by this node while it follows them (`live`): all there, or a gap.",
        ("kind", "result"),
    ),
    Metric("bedside_messages_refused_total", Kind.COUNTER, "Messages and publications beyond a user's rate."),
    Metric("bedside_limits_alone", Kind.GAUGE, "1 while this node holds users' limits by itself, for Redis does not answer."),
    Metric("bedside_limits_alone_total", Kind.COUNTER, "How often a user's limit was held by this node alone."),
    Metric("bedside_feed_healthy", Kind.GAUGE, "1 while live messages arrive from Redis and none is known to be missing."),
    Metric("bedside_unreadable_total", Kind.COUNTER, "Messages in Redis that could not be opened; clients were told of gaps.", ("reason",)),
    Metric("bedside_redis_up", Kind.GAUGE, "1 where a server of the rooms answers.", ("server",)),
    Metric("bedside_redis_memory_used_bytes", Kind.GAUGE, "Memory in use (INFO used_memory).", ("server",)),
    Metric("bedside_redis_memory_max_bytes", Kind.GAUGE, "Memory it may use (INFO maxmemory); 0: no limit.", ("server",)),
    Metric("bedside_redis_evicted_keys_total", Kind.COUNTER, "Keys it evicted; any is a fault.", ("server",)),
    Metric("bedside_redis_pool_connections", Kind.GAUGE, "This node's connections to it.", ("server", "state")),
    Metric("bedside_record_pool_connections", Kind.GAUGE, "This process's connections to the database.", ("state",)),
    Metric("bedside_ingest_alive", Kind.GAUGE, "1 while readings are taken in, as this process sees it."),
    Metric("bedside_ingest_entries_total", Kind.COUNTER, "Entries of gateways that were taken.", ("kind",)),
    Metric("bedside_ingest_refused_total", Kind.COUNTER, "Messages and entries of gateways that were refused.", ("reason",)),
)  # fmt: skip

METRICS: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in _ALL})
