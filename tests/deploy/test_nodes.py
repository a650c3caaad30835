"""Two serving nodes behind nginx and Caddy, over TLS: streams pass at once, and a node that is killed costs no client a message."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

import httpx
import pytest

from bedside.services.postgres import Postgres
from bedside.services.process import Service, free_port
from hub.auth.tokens import mint
from tests.deploy.balancers import caddy, nginx
from tests.deploy.followers import Follower
from tests.deploy.test_composition import Running, _bedside, _ready, _started, composed
from tests.support.certificates import Authority
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

HOSPITAL, ROOM = "hospital-1", "patient:p-1:vitals"
READINGS = "/devices/blood_pressure_monitor/cuff-1/data"
CLIENTS = int(os.environ.get("BEDSIDE_NODES_CLIENTS", "40"))
"""1000 is the long form, by hand: `BEDSIDE_NODES_CLIENTS=1000 ./dev test tests/deploy/test_nodes.py -s`."""
PER_USER = 4
AT_ONCE = 8
WAIT_SECONDS = 60
REGISTRY = """
[[patients]]
id = "p-1"
hospital = "hospital-1"
name = "Ann"
record_number = "1"
age_group = "adult"
ward = "ward-1"
bed = "1"

[[devices]]
type = "blood_pressure_monitor"
id = "cuff-1"
gateway = "gw-1"
patient = "p-1"
"""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """`balancers` are addresses by name; `serving` the two nodes."""

    running: Running
    serving: tuple[Service, Service]
    ports: tuple[int, int]
    balancers: dict[str, str]
    tls: ssl.SSLContext

    def token(self, user: str) -> str:
        secret = (self.running.compose.secrets / "jwt-secret").read_bytes().strip()
        now, ttl = datetime.now(UTC), timedelta(hours=1)
        return mint(secret, subject=user, role="clinician", hospitals=[HOSPITAL], ttl=ttl, now=now)

    def headers(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user)}"}


def _node(running: Running, role: str, port: int) -> Service:
    native = {
        'host = "0.0.0.0"\nport = 5054': f'host = "127.0.0.1"\nport = {port}',
        'host = "mosquitto"\nport = 1883': f'host = "127.0.0.1"\nport = {running.broker_port}',
        '[[gateways]]\nid = "gw-1"\nhospital = "hospital-1"\n': (
            f'[[gateways]]\nid = "gw-1"\nhospital = "hospital-1"\n{REGISTRY}'
        ),
    }
    folder = running.folder / f"{role}-{port}"
    folder.mkdir()
    file = running.compose.native("hub", "/etc/bedside/hub.toml", folder, **native)
    return _bedside(running, f"{role}-{port}", "hub", "--config", str(file), "--role", role, port=port)


@pytest.fixture(scope="module")
def nodes(services_folder: Path, postgres_service: Postgres) -> Iterator[Nodes]:
    folder = services_folder / "nodes"
    authority = Authority(folder / "tls")
    certificate = authority.issue("hub")
    ports, balancer_ports = (free_port(), free_port()), (free_port(), free_port())
    with ExitStack() as stack:
        running = stack.enter_context(composed(folder, postgres_service))
        starting = stack.enter_context(ThreadPoolExecutor())  # its threads live as long as what they start
        stack.enter_context(_started(_node(running, "ingest", free_port())))  # which makes the tables
        serving = [_node(running, "serve", port) for port in ports]
        balancers = [
            start(folder / start.__name__, port, ports, certificate)
            for start, port in zip((nginx, caddy), balancer_ports, strict=True)
        ]
        for service in (*serving, *balancers):
            stack.callback(service.kill)
        list(starting.map(Service.start, (*serving, *balancers)))
        yield Nodes(
            running=running,
            serving=(serving[0], serving[1]),
            ports=ports,
            balancers={
                name: f"127.0.0.1:{port}" for name, port in zip(("nginx", "caddy"), balancer_ports, strict=True)
            },
            tls=ssl.create_default_context(cafile=authority.file),
        )


async def _enter(http: httpx.AsyncClient, nodes: Nodes, number: int) -> bool:
    """A cuff's reading, entered by one of several people."""
    reading = {
        "data_type": "blood_pressure",
        "values": {"systolic": 90 + number % 40, "diastolic": 60},
        "timestamp": datetime.now(UTC).isoformat(),
    }
    try:
        answer = await http.post(READINGS, json=reading, headers=nodes.headers(f"nurse-{number % 7}"))
    except httpx.HTTPError:
        return False
    return answer.status_code == 201


@contextlib.asynccontextmanager
async def entering(nodes: Nodes) -> AsyncIterator[list[int]]:
    """Readings all the time, through both balancers in turn; the numbers of those that were taken.

    Several at once: an answer waits for the owner, which looks into the inbox of other processes every two seconds.
    """
    taken: list[int] = []
    numbers = count()

    async def enter_for_ever(http: dict[str, httpx.AsyncClient]) -> None:
        for number in numbers:
            if await _enter(http["nginx" if number % 2 else "caddy"], nodes, number):
                taken.append(number)
            await asyncio.sleep(0.05)

    async with contextlib.AsyncExitStack() as stack:
        http = {
            name: await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"https://{address}", verify=nodes.tls, timeout=10)
            )
            for name, address in nodes.balancers.items()
        }
        tasks = [asyncio.create_task(enter_for_ever(http)) for _ in range(AT_ONCE)]
        try:
            yield taken
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def following(nodes: Nodes, number: int) -> AsyncIterator[list[Follower]]:
    """So many clients, half over each balancer, all subscribed."""
    addresses = [f"wss://{address}/realtime/ws" for address in nodes.balancers.values()]
    followers = [
        Follower(
            address=addresses[place % 2],
            token=nodes.token(f"user-{place // PER_USER}"),
            room=ROOM,
            tls=nodes.tls,
            random=Random(place),
        )
        for place in range(number)
    ]
    tasks = [asyncio.create_task(follower.follow()) for follower in followers]
    try:
        await all_hold(followers)
        yield followers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_hold(followers: list[Follower]) -> None:
    """Every client's subscription holds, and has come back where it was lost."""
    await eventually(lambda: all(follower.holds.is_set() for follower in followers), seconds=WAIT_SECONDS)


async def test_streams_and_sockets_pass_both_balancers_at_once_and_no_log_has_a_token(nodes: Nodes):
    for port in nodes.ports:
        await eventually(lambda port=port: _ready(port), seconds=WAIT_SECONDS)
    tickets: list[str] = []
    for address in nodes.balancers.values():
        async with httpx.AsyncClient(base_url=f"https://{address}", verify=nodes.tls, timeout=WAIT_SECONDS) as http:
            answer = await http.post("/realtime/ticket", headers=nodes.headers("reader"))
            ticket = answer.json()["data"]["ticket"]
            tickets.append(ticket)
            async with http.stream("GET", f"/realtime/events/patient/p-1?ticket={ticket}") as stream:
                lines = stream.aiter_lines()
                assert await _event(lines) == "connected"
                assert await _enter(http, nodes, 1)
                assert await _event(lines) == "patient.vitals.update"
    logs = "".join(path.read_text() for path in nodes.running.folder.glob("*/*log"))
    assert "/realtime/events/patient/p-1" in logs
    assert [ticket for ticket in tickets if ticket in logs] == []


async def test_a_killed_node_costs_no_client_a_message(nodes: Nodes):
    """All go on on the other node, 99 of 100 within ten seconds, with every message, once and in order."""
    async with following(nodes, CLIENTS) as followers, entering(nodes) as taken:
        await eventually(lambda: len(taken) >= 10, seconds=WAIT_SECONDS)
        nodes.serving[1].kill()
        await eventually(lambda: any(follower.outages for follower in followers), seconds=WAIT_SECONDS)
        await all_hold(followers)
        so_far = len(taken)
        await eventually(lambda: len(taken) >= so_far + 5, seconds=WAIT_SECONDS)
        newest = max(follower.offsets[-1] for follower in followers)
        await eventually(lambda: all(f.offsets[-1] >= newest for f in followers), seconds=WAIT_SECONDS)
    assert [follower.gaps for follower in followers if follower.gaps] == []
    for follower in followers:
        first = follower.offsets[0]
        assert follower.offsets == list(range(first, first + len(follower.offsets)))
    outages = sorted(outage for follower in followers for outage in follower.outages)
    assert sum(outage > 10 for outage in outages) * 100 <= len(outages)
    print(_told(outages, len(taken)))


def _told(outages: list[float], readings: int) -> str:
    """For whoever runs the long form."""
    times = ", ".join(f"{share} % {outages[(len(outages) - 1) * share // 100]:.2f} s" for share in (50, 99, 100))
    return f"{CLIENTS} clients, {readings} readings, {len(outages)} resumptions: {times}"


async def _event(lines: AsyncIterator[str]) -> str:
    """The name of the next event; a heartbeat or a comment is none."""
    async with asyncio.timeout(WAIT_SECONDS):
        async for line in lines:
            if line.startswith("event:") and "recovered" not in line:
                return line.partition(":")[2].strip()
    raise AssertionError("the stream has ended")
