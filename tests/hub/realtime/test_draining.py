"""A node that stops: load balancers hear of it first, clients leave one after the other, and nobody misses anything."""

import asyncio
import itertools
import json
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import websockets

from bedside.services.redis import Redis
from tests.support.hub import HOSPITAL, PATIENT, LiveHub, running_hub
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ALERTS = f"patient:{PATIENT}:alerts"
CLIENTS = 20
DRAIN_SECONDS = 2.5
WAIT_SECONDS = 30


class Follower:
    """A client that follows a room, and moves to `refuge` when it is asked to leave."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.offsets: list[int] = []
        self.position: dict[str, object] | None = None
        self.left_at: float | None = None
        self.code: int | None = None
        self.recovered: bool | None = None

    async def follow(self, hub: LiveHub, refuge: LiveHub) -> None:
        await self._listen(hub)
        self.left_at = asyncio.get_running_loop().time()
        await self._listen(refuge)

    async def _listen(self, hub: LiveHub) -> None:
        async with hub.connect("/realtime/ws", token=hub.token(subject=self.name)) as client:
            await client.send(json.dumps({"type": "subscribe", "room": ALERTS, "since": self.position}))
            try:
                async for received in client:
                    self._take(json.loads(received))
            except websockets.ConnectionClosed as end:
                self.code = end.rcvd.code if end.rcvd else None

    def _take(self, message: dict) -> None:
        if message["type"] == "subscription":
            self.recovered = message["recovered"]
            self.position = self.position or {"epoch": message["epoch"], "offset": message["offset"]}
        elif message["type"] == "vitals_update":
            self.offsets.append(message["offset"])
            self.position = {"epoch": message["epoch"], "offset": message["offset"]}


async def _publish(hub: LiveHub) -> None:
    for number in itertools.count():
        await hub.owner.publish(HOSPITAL, [ALERTS], {"number": number})
        await asyncio.sleep(0.01)


async def _is_draining(node: LiveHub, http: httpx.AsyncClient) -> bool:
    answer = await http.get(f"http://127.0.0.1:{node.port}/health/ready")
    return answer.status_code == 503 and answer.json()["checks"]["node"] == "draining"


async def test_a_node_that_stops_hands_its_clients_over_one_by_one_without_a_loss(tmp_path: Path, redis_server: Redis):
    (first := tmp_path / "1").mkdir()
    (second := tmp_path / "2").mkdir()
    async with running_hub(first, redis_server.url) as staying, AsyncExitStack() as until_stopped:
        leaving = await until_stopped.enter_async_context(
            running_hub(second, redis_server.url, begin=False, drain_seconds=DRAIN_SECONDS)
        )
        followers = [Follower(f"nurse-{number}") for number in range(CLIENTS)]
        following = [asyncio.create_task(follower.follow(leaving, staying)) for follower in followers]
        publishing = asyncio.create_task(_publish(staying))
        await eventually(lambda: all(follower.offsets for follower in followers), seconds=WAIT_SECONDS)
        stopping = asyncio.create_task(until_stopped.aclose())
        await eventually(lambda: _is_draining(leaving, staying.http), seconds=WAIT_SECONDS)
        assert any(follower.left_at is None for follower in followers), "readiness is off before the last have left"
        await eventually(lambda: all(follower.left_at for follower in followers), seconds=WAIT_SECONDS)
        await stopping
        top = max(follower.offsets[-1] for follower in followers)
        await eventually(lambda: all(follower.offsets[-1] > top for follower in followers), seconds=WAIT_SECONDS)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        assert len(staying.live.clients) == CLIENTS
    await asyncio.gather(*following)
    for follower in followers:
        assert follower.offsets == [*range(follower.offsets[0], follower.offsets[0] + len(follower.offsets))]
        assert follower.recovered
    moments = sorted(follower.left_at for follower in followers if follower.left_at)
    assert moments[-1] - moments[0] > DRAIN_SECONDS / 3, "they were asked one by one"
    assert len({round(later - earlier, 3) for earlier, later in itertools.pairwise(moments)}) > CLIENTS / 3, "jittered"
