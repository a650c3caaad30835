"""The services as the tests and `bedside up` start them: they answer, they keep what they must, they die with their parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import psycopg
import pytest
from redis import Redis as RedisClient
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from bedside.services import locate as locating
from bedside.services.dbus import dbus
from bedside.services.locate import ComponentMissing, locate
from bedside.services.mosquitto import Mosquitto, mosquitto
from bedside.services.process import ServiceFailed, listens
from bedside.services.redis import redis
from tests.conftest import GATEWAY_PASSWORD, HUB_PASSWORD
from tests.support.waiting import eventually


def test_a_missing_program_says_what_to_type(monkeypatch):
    monkeypatch.setitem(locating._HINTS, "no-such-program", "apt install nothing")
    with pytest.raises(ComponentMissing, match="no-such-program isn't installed: apt install nothing"):
        locate("no-such-program")


def test_redis_refuses_who_has_no_password(redis_server):
    stranger = RedisClient(port=redis_server.port, retry=Retry(NoBackoff(), 0))
    with stranger as client, pytest.raises(AuthenticationError):
        client.ping()


def test_redis_has_an_append_only_file_and_keeps_what_it_synced_over_a_kill(tmp_path):
    service = redis(tmp_path / "redis")
    service.start()
    try:
        with RedisClient.from_url(service.url) as client:
            assert client.config_get("appendonly") == {"appendonly": "yes"}
            client.config_set("appendfsync", "always")
            client.set("kept", "yes")
        service.kill()
        assert not listens(service.port)
        service.start()
        with RedisClient.from_url(service.url) as client:
            assert client.get("kept") == b"yes"
    finally:
        service.stop()


def test_a_configuration_file_with_a_password_is_private(redis_server, services_folder):
    assert (services_folder / "redis" / "redis.conf").stat().st_mode & 0o077 == 0


class Client:
    """One MQTT client that remembers what it was told."""

    def __init__(self, broker: Mosquitto, user: str, password: str) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.answers: list[str] = []
        self.granted: list[list[int]] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(user, password)
        self._client.on_connect = lambda client, data, flags, reason, properties: self.answers.append(str(reason))
        self._client.on_message = lambda client, data, message: self.received.append((message.topic, message.payload))
        self._client.on_subscribe = lambda client, data, mid, codes, properties: self.granted.append(
            [code.value for code in codes]
        )
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(5)

    async def subscribe(self, topic: str) -> None:
        before = len(self.granted)
        self._client.subscribe(topic, qos=1)
        await eventually(lambda: len(self.granted) > before)


async def test_the_broker_refuses_a_wrong_password(mosquitto_server):
    with Client(mosquitto_server, "gw-1", "wrong") as client:
        assert await eventually(lambda: client.answers) == ["Not authorized"]


async def test_the_broker_fences_each_gateway(mosquitto_server):
    """What gateway 1 writes in gateway 2's name never arrives, nor can it listen to gateway 2's acknowledgements."""
    with (
        Client(mosquitto_server, "hub", HUB_PASSWORD) as hub,
        Client(mosquitto_server, "gw-1", GATEWAY_PASSWORD) as one,
        Client(mosquitto_server, "gw-2", GATEWAY_PASSWORD) as two,
    ):
        await hub.subscribe("bedside/v1/+/readings")
        for gateway, client in (("gw-1", one), ("gw-2", two)):
            await client.subscribe(f"bedside/v1/{gateway}/ack")
        await one.subscribe("bedside/v1/gw-2/ack")
        with Client(mosquitto_server, "gw-1", GATEWAY_PASSWORD) as forger:  # the broker closes such a connection
            forger.publish("bedside/v1/gw-2/readings", b"forged")
        one.publish("bedside/v1/gw-1/readings", b"own")
        hub.publish("bedside/v1/gw-2/ack", b"for two")
        hub.publish("bedside/v1/gw-1/ack", b"for one")
        await eventually(lambda: hub.received and two.received and one.received)
    assert hub.received == [("bedside/v1/gw-1/readings", b"own")]
    assert one.received == [("bedside/v1/gw-1/ack", b"for one")]
    assert two.received == [("bedside/v1/gw-2/ack", b"for two")]


def test_a_taken_port_is_a_failure_and_not_taken_for_the_service(tmp_path, redis_server):
    """Ours would end at once, and the other be taken for it."""
    (tmp_path / "password").write_text(redis_server.password)
    service = redis(tmp_path, port=redis_server.port)
    with pytest.raises(ServiceFailed, match="another program answers"):
        service.start()


def test_a_folder_may_have_a_blank_in_its_name(tmp_path):
    broker, stream = mosquitto(tmp_path / "a b", users={"hub": "a"}), redis(tmp_path / "c d")
    for service in (broker, stream):
        service.start()
        service.stop()


async def test_the_broker_comes_back_on_its_port_after_a_kill(tmp_path):
    service = mosquitto(tmp_path / "mosquitto", users={"hub": "a"})
    service.start()
    service.kill()
    assert not listens(service.port)
    service.start()
    with Client(service, "hub", "a") as client:
        assert await eventually(lambda: client.answers) == ["Success"]
    service.stop()


def test_postgresql_answers(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_the_message_bus_comes_back_after_a_kill(services_folder):
    service = dbus(services_folder / "killed-bus")
    service.start()
    service.kill()
    service.restart()
    assert service.process is not None
    assert service.process.poll() is None
    service.stop()


def test_the_message_bus_gives_an_address(message_bus):
    assert Path(message_bus.address.removeprefix("unix:path=")).is_socket()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_service_dies_with_its_parent(tmp_path, how):
    script = (
        "import pathlib, sys\nfrom bedside.services.redis import redis\n"
        "service = redis(pathlib.Path(sys.argv[1])); service.start()\n"
        "print(service.process.pid, flush=True); sys.stdin.read()"
    )
    parent = _parent(script, tmp_path / "redis")
    child = int(parent.stdout.readline())
    os.kill(parent.pid, how)
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    await eventually(lambda: _gone(child))


def _parent(script: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
