"""TLS on every leg, with certificates made here: what is right passes, and what is wrong is refused in one clear line."""

import asyncio
import contextlib
import os
import pwd
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest
import websockets

from bedside.services.mosquitto import Mosquitto, mosquitto
from bedside.services.postgres import postgres
from bedside.services.redis import Redis, redis
from edge_agent.errors import MqttUnavailable
from edge_agent.mqtt import Will, connect
from edge_agent.settings import MqttSettings as AgentMqttSettings
from hub.errors import RecordUnavailable, RoomsUnavailable
from hub.ingest.broker import Broker
from hub.record.record import Record
from hub.rooms.rooms import Rooms
from hub.settings import MqttSettings, RedisSettings
from tests.conftest import GATEWAY_PASSWORD, HUB_PASSWORD
from tests.hub.ingest.support import now
from tests.hub.rooms.publications import HOSPITAL, fence, publication
from tests.hub.rooms.watchers import WAIT_SECONDS
from tests.support.certificates import HERE, Authority
from tests.support.hub import HOSPITAL as HUB_HOSPITAL
from tests.support.hub import PATIENT, receive, running_hub
from tests.support.net import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WRONG = ("untrusted", "expired", "elsewhere")
FAULTS = {
    "untrusted": "its certificate is refused: unable to get local issuer certificate",
    "expired": "its certificate is refused: certificate has expired",
    "elsewhere": "its certificate is refused: IP address mismatch, certificate is not valid for '127.0.0.1'.",
}


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """`authority` vouches for all but the untrusted ones."""

    authority: Path
    files: dict[str, tuple[Path, Path]]


@pytest.fixture(scope="module")
def certificates(services_folder: Path) -> Certificates:
    folder = services_folder / "tls"
    ours, other = Authority(folder), Authority(folder, "stranger")
    files = {
        "good": ours.issue("good"),
        "untrusted": other.issue("untrusted", hosts=HERE),
        "expired": ours.issue("expired", days=-1),
        "elsewhere": ours.issue("elsewhere", hosts=("hub.hospital.example",)),
        "client": ours.issue("client", hosts=("hub",)),
    }
    return Certificates(authority=ours.file, files=files)


@pytest.fixture(scope="module")
def tls_redis(services_folder: Path, certificates: Certificates) -> Iterator[dict[str, tuple[Redis, int]]]:
    """One server for each certificate, with its TLS port; the good one asks for a client's certificate."""
    servers: dict[str, tuple[Redis, int]] = {}
    for name in ("good", *WRONG):
        certificate, key = certificates.files[name]
        port = free_port()
        directives = (
            f"tls-port {port}",
            f"tls-cert-file {certificate}",
            f"tls-key-file {key}",
            f"tls-ca-cert-file {certificates.authority}",
            f"tls-auth-clients {'yes' if name == 'good' else 'no'}",
        )
        servers[name] = redis(services_folder / f"redis-tls-{name}", directives=directives), port
    try:
        for server, _ in servers.values():
            server.start()
        yield servers
    finally:
        for server, _ in servers.values():
            server.stop()


def rediss(certificates: Certificates, server: tuple[Redis, int], **changed: object) -> RedisSettings:
    url = f"rediss://:{server[0].password}@127.0.0.1:{server[1]}/0"
    return RedisSettings(**({"url": url, "ca_file": certificates.authority} | changed))


async def test_rooms_are_reached_by_tls_with_the_hubs_own_certificate(certificates, tls_redis):
    certificate, key = certificates.files["client"]
    rooms = Rooms.connect(rediss(certificates, tls_redis["good"], certificate_file=certificate, key_file=key))
    await rooms.publish(fence(), [publication(1)], new_epoch="e1")
    top = await rooms.top(HOSPITAL)
    assert top is not None
    assert top.n == 1
    subscription = rooms.subscription(lambda channel, payload: None, canary="bedside:canary:tls")
    await subscription.connect()
    tasks = [asyncio.create_task(work) for _, work in subscription.works()]
    await asyncio.wait_for(subscription.echo(), WAIT_SECONDS)
    await subscription.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await rooms.close()


async def test_a_redis_that_asks_for_a_certificate_refuses_a_hub_without_one(certificates, tls_redis):
    rooms = Rooms.connect(rediss(certificates, tls_redis["good"]))
    with pytest.raises(RoomsUnavailable, match="does not answer"):
        await rooms.ping()
    await rooms.close()


@pytest.mark.parametrize("fault", WRONG)
async def test_a_redis_with_a_wrong_certificate_is_refused(certificates, tls_redis, fault):
    rooms = Rooms.connect(rediss(certificates, tls_redis[fault]))
    with pytest.raises(RoomsUnavailable) as refused:
        await rooms.ping()
    assert FAULTS[fault] in str(refused.value)
    assert "\n" not in str(refused.value)
    await rooms.close()


@contextlib.contextmanager
def broker_with(folder: Path, certificates: Certificates, name: str) -> Iterator[int]:
    """A broker that speaks TLS with that certificate; its TLS port."""
    certificate, key = certificates.files[name]
    port = free_port()
    directives = (f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}")
    users = {"hub": HUB_PASSWORD, "gw-1": GATEWAY_PASSWORD}
    broker: Mosquitto = mosquitto(folder / name, users=users, directives=directives)
    broker.start()
    try:
        yield port
    finally:
        broker.stop()


@pytest.fixture(params=["good", *WRONG])
def tls_broker(request, tmp_path, certificates) -> Iterator[tuple[str, int]]:
    with broker_with(tmp_path, certificates, request.param) as port:
        yield request.param, port


async def test_hub_and_agent_reach_a_broker_by_tls_or_say_what_is_wrong(
    tls_broker: tuple[str, int], certificates: Certificates, tmp_path: Path, caplog
):
    name, port = tls_broker
    (tmp_path / "hub-password").write_text(HUB_PASSWORD)
    (tmp_path / "gateway-password").write_text(GATEWAY_PASSWORD)
    common = {"host": "127.0.0.1", "port": port, "tls": True, "ca_file": certificates.authority}
    hub = MqttSettings(**common, username="hub", password_file=tmp_path / "hub-password")
    broker = Broker(hub, ["bedside/v1/gw-1/readings"], lambda delivery: None, lambda: None)
    await broker.start()
    agent = AgentMqttSettings(**common, password_file=tmp_path / "gateway-password")
    will = Will(topic="bedside/v1/gw-1/state", payload=b"{}")
    if name == "good":
        await broker.wait_connected()
        async with connect(agent, gateway="gw-1", will=will) as link:
            await link.subscribe("bedside/v1/gw-1/ack")
    else:
        await eventually(lambda: FAULTS[name] in caplog.text, seconds=WAIT_SECONDS)
        with pytest.raises(MqttUnavailable) as refused:
            async with connect(agent, gateway="gw-1", will=will):
                pass
        assert FAULTS[name] in str(refused.value)
    await broker.stop()


@pytest.fixture
async def secure_hub(redis_server: Redis, certificates: Certificates, tmp_path: Path) -> AsyncIterator[object]:
    certificate, key = certificates.files["good"]
    async with running_hub(tmp_path, redis_server.url, tls_certificate=certificate, tls_key=key) as hub:
        yield hub


async def test_clients_reach_the_hub_by_https_and_wss(secure_hub, certificates: Certificates):
    trusting = ssl.create_default_context(cafile=certificates.authority)
    port, room = secure_hub.settings.port, f"patient:{PATIENT}:vitals"
    headers = secure_hub.headers()
    address = f"wss://127.0.0.1:{port}/realtime/ws"
    async with (
        httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusting, timeout=WAIT_SECONDS) as http,
        websockets.connect(address, ssl=trusting, additional_headers=headers, compression=None) as socket,
        http.stream("GET", f"/realtime/events/patient/{PATIENT}", headers=headers) as stream,
    ):
        await socket.send(msgspec.json.encode({"type": "subscribe", "room": room}).decode())
        await receive(socket, until="subscription")
        lines = stream.aiter_lines()
        await _until(lines, "event: connected")
        for number in range(50):  # more than one record of TLS
            await secure_hub.owner.publish(HUB_HOSPITAL, [room], {"heart_rate": number, "x": "y" * 2000})
        seen = [(await receive(socket, until="vitals_update"))["data"]["heart_rate"] for _ in range(50)]
        assert seen == list(range(50))
        for _ in range(50):
            await _until(lines, "event: patient.vitals.update")


async def test_a_client_that_does_not_know_the_hubs_authority_refuses_it(secure_hub):
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{secure_hub.settings.port}") as http:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await http.get("/health/live")


@pytest.fixture(scope="module")
def tls_postgres(services_folder: Path, certificates: Certificates) -> Iterator[str]:
    """A server whose key belongs to the user that it runs as."""
    folder = services_folder / "postgres-tls"
    folder.mkdir()
    files = [Path(shutil.copy(file, folder)) for file in certificates.files["good"]]
    files[1].chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(files[1], pwd.getpwnam("nobody").pw_uid)
    options = ("ssl=on", f"ssl_cert_file={files[0]}", f"ssl_key_file={files[1]}")
    service = postgres(folder / "server", options=options)
    service.start()
    yield service.url()
    service.stop()


async def test_the_record_is_reached_by_tls_and_a_stranger_is_refused(tls_postgres: str, certificates: Certificates):
    verified = f"{tls_postgres}?sslmode=verify-full&sslrootcert="
    record = await Record.open(f"{verified}{certificates.authority}", clock=now)
    await record.ping()
    await record.close()
    with pytest.raises(RecordUnavailable):
        await Record.open(f"{verified}{certificates.files['untrusted'][0]}", clock=now)


async def _until(lines: AsyncIterator[str], wanted: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        async for line in lines:
            if line == wanted:
                return
    raise AssertionError("the stream has ended")
