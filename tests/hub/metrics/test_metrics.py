"""`/metrics` of a running hub: who may read it, what it says, what it never says, and that Redis may be away."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bedside.services.redis import Redis, redis
from hub.metrics.table import METRICS
from hub.settings import MetricsSettings
from tests.hub.realtime.sockets import ask, closed, send
from tests.support.hub import HOSPITAL, PATIENT, LiveHub, receive, running_hub
from tests.support.sse import events
from tests.support.waiting import eventually

VITALS = f"patient:{PATIENT}:vitals"
TOKEN = "a-token-of-metrics-that-opens-nothing-else"
USER = "ann.private"
ONLY_WITH_INGEST = {"bedside_ingest_entries_total", "bedside_ingest_refused_total", "bedside_record_pool_connections"}

pytestmark = [pytest.mark.slow, pytest.mark.pure]

Values = dict[tuple[str, ...], float]


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis) -> AsyncIterator[LiveHub]:
    token_file = tmp_path / "metrics-token"
    token_file.write_text(f"{TOKEN}\n")
    settings = {"metrics": MetricsSettings(token_file=token_file), "user_message_burst": 20}
    async with running_hub(tmp_path, redis_server.url, **settings, user_messages_a_second=0.01) as running:
        yield running


async def scrape(hub: LiveHub, **headers: str) -> httpx.Response:
    return await hub.http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", **headers})


async def values(hub: LiveHub) -> Values:
    """Every sample of ours: name and labels' values -> value."""
    answer = await scrape(hub)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name.startswith("bedside_")
    }


async def test_it_is_for_its_own_token_and_for_admins(hub: LiveHub):
    async def status(headers: dict[str, str]) -> int:
        return (await hub.http.get("/metrics", headers=headers)).status_code

    assert await status({}) == 401
    assert await status({"Authorization": f"Bearer {TOKEN}x"}) == 401
    assert await status({"Authorization": f"Basic {TOKEN}"}) == 401
    assert await status({"Authorization": f"Bearer {TOKEN}"}) == 200
    assert await status(hub.headers("admin", hospitals=["*"])) == 200
    for role in ("viewer", "clinician", "technician", "tester"):
        assert await status(hub.headers(role)) == 403
    elsewhere = await hub.http.get("/realtime/stats", headers={"Authorization": f"Bearer {TOKEN}"})
    assert elsewhere.status_code == 401


async def test_what_happens_is_counted(hub: LiveHub):
    token = hub.token(subject=USER)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        hub.connect(f"/realtime/ws/patient/{PATIENT}", token=token) as first,
        hub.connect("/realtime/ws", token=token) as second,
        events(hub.http, f"/realtime/events/patient/{PATIENT}", headers) as stream,
    ):
        assert (await stream.next()).name == "connected"
        position = await ask(second, type="subscribe", room=VITALS)
        for _ in range(3):
            await receive(first)
        before = await values(hub)
        await hub.owner.publish(HOSPITAL, [VITALS], {"patient_id": PATIENT, "heart_rate": 71})
        assert (await stream.next()).name == "patient.vitals.update"
        await receive(first)
        await receive(second)
        await ask(second, type="subscribe", room=VITALS, since={"epoch": position["epoch"], "offset": 0})
        await ask(second, type="subscribe", room=VITALS, since={"epoch": "another", "offset": 7})
        for _ in range(25):
            await send(second, type="pong")
        assert (await receive(second, until="error"))["code"] == "rate_limited"
        after = await values(hub)

        def more(*key: str) -> float:
            return after[key] - before.get(key, 0)

        assert (after["bedside_connections", "websocket"], after["bedside_connections", "sse"]) == (2, 1)
        assert (after["bedside_users",], after["bedside_rooms_followed",]) == (1, 3)
        assert more("bedside_frames_sent_total") >= 3
        assert more("bedside_delivery_lag_seconds_count") == 1
        assert more("bedside_recoveries_total", "resume", "recovered") == 1
        assert more("bedside_recoveries_total", "resume", "gap") == 1
        assert more("bedside_messages_refused_total") >= 1
        assert (after["bedside_feed_healthy",], after["bedside_check_ok", "redis"]) == (1, 1)
    await eventually(lambda: _ended(hub, "client", 3), seconds=30)


async def _ended(hub: LiveHub, code: str, count: int) -> bool:
    return (await values(hub)).get(("bedside_connections_ended_total", code)) == count


async def test_connections_are_counted_by_how_they_ended(hub: LiveHub):
    async with hub.connect("/realtime/ws", token=hub.token(subject=USER)) as client:
        for _ in range(150):
            await send(client, type="pong")
        assert (await closed(client)).rcvd.code == 4429
    await eventually(lambda: _ended(hub, "4429", 1), seconds=30)


async def test_every_metric_of_the_table_is_there_and_no_other(hub: LiveHub):
    async with hub.connect("/realtime/ws") as client:
        await ask(client, type="subscribe", room=VITALS, since={"epoch": "another", "offset": 7})
    await eventually(lambda: _ended(hub, "client", 1), seconds=30)
    names = {name for name, *_ in await values(hub)}
    families = {re_named(name) for name in names if not name.endswith("_created")}
    assert families == METRICS.keys() - ONLY_WITH_INGEST


def re_named(sample: str) -> str:
    """The metric of a sample: a histogram has three for each."""
    return next((sample.removesuffix(end) for end in ("_bucket", "_count", "_sum") if sample.endswith(end)), sample)


async def test_nobody_is_named(hub: LiveHub):
    token = hub.token(subject=USER)
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}", token=token) as client:
        await receive(client)
        text = (await scrape(hub)).text
    assert [secret for secret in (USER, PATIENT, HOSPITAL, TOKEN, token) if secret in text] == []
    assert "process_resident_memory_bytes" in text


async def test_openmetrics_is_spoken_where_it_is_asked_for(hub: LiveHub):
    answer = await scrape(hub, Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    plain = await scrape(hub)
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert plain.headers["cache-control"] == "no-store"


async def test_metrics_and_health_answer_while_redis_is_away(tmp_path: Path, services_folder: Path):
    server = redis(services_folder / f"own-{tmp_path.name}")
    server.start()
    try:
        async with running_hub(tmp_path, server.url) as hub:
            assert (await hub.http.get("/health/ready")).json()["status"] == "ok"
            server.stop()
            await eventually(lambda: not hub.live.feed.healthy, seconds=30)
            ready = await hub.http.get("/health/ready")
            assert (ready.status_code, ready.json()["status"]) == (503, "failing")
            assert ready.json()["checks"] == {"live_rooms": "not followed", "redis": "RoomsUnavailable"}
            assert "Redis" in ready.json()["advice"]["redis"]
            assert (await hub.http.get("/health/live")).status_code == 200
            answer = await hub.http.get("/metrics", headers=hub.headers("admin", hospitals=["*"]))
            assert 'bedside_check_ok{check="redis"} 0.0' in answer.text
            assert "bedside_feed_healthy 0.0" in answer.text
            assert f'bedside_redis_up{{server="127.0.0.1:{server.port}"}} 0.0' in answer.text
            assert "bedside_redis_memory_used_bytes{" not in answer.text
    finally:
        server.stop()


async def test_a_node_that_lets_no_one_in_is_not_ready_but_alive(hub: LiveHub):
    hub.live.clients.close_doors()
    ready = await hub.http.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]["node"]) == (503, "draining")
    assert "another" in ready.json()["advice"]["node"]
    assert (await hub.http.get("/health/live")).json() == {"status": "ok"}
    assert json.dumps(ready.json()).count("ok") == 2
