"""The figures of a node at one moment, from where they are counted. Nothing is counted here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version

from hub.ingest.counters import Counters
from hub.metrics.lag import DeliveryLag
from hub.metrics.samples import Samples
from hub.readiness import OK, readiness
from hub.realtime.live import Live
from hub.rooms.condition import Condition, conditions


async def observe(
    live: Live,
    lag: DeliveryLag,
    checks: Mapping[str, Callable[[], Awaitable[None]]],
    *,
    intake: Counters | None,
    record_pool: Mapping[str, int],
) -> Samples:
    """Ask what must be asked, within a bounded time, and read the rest. `intake` is None where another process takes readings in."""
    states, servers = await asyncio.gather(readiness(live, checks), conditions(live.rooms.servers))
    samples = Samples()
    samples.set("bedside_build_info", 1, version("bedside"))
    samples.set_all("bedside_check_ok", {name: state == OK for name, state in states.items()})
    _of_clients(samples, live)
    _of_users(samples, live)
    samples.set_buckets("bedside_delivery_lag_seconds", lag.buckets())
    samples.set("bedside_feed_healthy", live.feed.healthy)
    _of_servers(samples, servers)
    samples.set_all("bedside_record_pool_connections", record_pool)
    samples.set("bedside_ingest_alive", live.ingest_alive())
    if intake is not None:
        samples.set_all("bedside_ingest_entries_total", intake.taken)
        samples.set_all("bedside_ingest_refused_total", intake.refused)
    return samples


def _of_clients(samples: Samples, live: Live) -> None:
    clients, outbound = live.clients, live.clients.outbound
    samples.set("bedside_draining", clients.draining)
    samples.set_all("bedside_connections", clients.by_transport())
    samples.set_all("bedside_connections_ended_total", clients.ended)
    samples.set("bedside_rooms_followed", len(clients.attendance.rooms))
    samples.set("bedside_users", len(clients.attendance.users))
    samples.set("bedside_frames_sent_total", outbound.frames)
    samples.set("bedside_writes_total", outbound.writes)
    samples.set("bedside_numerics_coalesced_total", outbound.coalesced)
    samples.set("bedside_waveforms_dropped_total", outbound.waveforms_dropped)
    samples.set_all("bedside_unreadable_total", live.rooms.unreadable)
    for (kind, result), count in live.feed.recoveries.items():
        samples.set("bedside_recoveries_total", count, kind, result)


def _of_users(samples: Samples, live: Live) -> None:
    shared = live.shared
    samples.set("bedside_nodes", shared.nodes.seen)
    samples.set("bedside_connections_refused_total", shared.admission.refused)
    samples.set("bedside_messages_refused_total", shared.rates.refused)
    samples.set("bedside_limits_alone", shared.fallback.is_in_force)
    samples.set("bedside_limits_alone_total", shared.fallback.times)


def _of_servers(samples: Samples, servers: list[Condition]) -> None:
    for each in servers:
        samples.set("bedside_redis_up", each.answers, each.server)
        for state, count in each.connections.items():
            samples.set("bedside_redis_pool_connections", count, each.server, state)
        if each.answers:
            samples.set("bedside_redis_memory_used_bytes", each.used_bytes, each.server)
            samples.set("bedside_redis_memory_max_bytes", each.max_bytes, each.server)
            samples.set("bedside_redis_evicted_keys_total", each.evicted_keys, each.server)
