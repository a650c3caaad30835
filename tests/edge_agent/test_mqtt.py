"""The link to a real broker: TLS, refusals, a broker that stands still."""

import getpass
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiomqtt
import pytest

from bedside.services.locate import locate
from bedside.services.mosquitto import Mosquitto, mosquitto
from bedside.services.process import Service, free_port, listens
from edge_agent.errors import MqttUnavailable
from edge_agent.mqtt import ANSWER_SECONDS, KEEPALIVE_SECONDS, Will, _refused, _translated, connect
from edge_agent.settings import MqttSettings
from tests.conftest import GATEWAY_PASSWORD, HUB_PASSWORD
from tests.edge_agent.conftest import GATEWAY
from tests.support.certificates import Authority
from vitals.topics import Channel, topic

pytestmark = pytest.mark.slow

WILL = Will(topic=topic(GATEWAY, Channel.STATE), payload=b"gone")
TOPIC = topic(GATEWAY, Channel.EVENTS)


def subclasses(of: type[Exception]) -> list[type[Exception]]:
    return [of, *(deeper for direct in of.__subclasses__() for deeper in subclasses(direct))]


@pytest.mark.parametrize("kind", subclasses(aiomqtt.MqttError))
def test_every_error_of_aiomqtt_leaves_as_ours(kind: type[Exception]):
    error = kind(7) if issubclass(kind, aiomqtt.MqttCodeError) else kind("text")
    with pytest.raises(MqttUnavailable), _translated():
        raise error


@pytest.mark.parametrize(("code", "refused"), [(0, False), (1, False), (0x80, True), (0x87, True)])
def test_a_subscription_is_refused_by_codes_from_128(code: int, refused: bool):
    """MQTT 3.1.1 section 3.9.3 and 5.0 section 3.9.3. (Mosquitto's access file lets everybody subscribe, and delivers nothing.)"""
    assert _refused(code) is refused


async def test_a_password_file_that_is_missing_is_named(mqtt_settings: MqttSettings, tmp_path: Path):
    settings = MqttSettings(port=mqtt_settings.port, password_file=tmp_path / "nowhere")
    with pytest.raises(MqttUnavailable, match="nowhere"):
        async with connect(settings, gateway=GATEWAY, will=WILL):
            pass


async def test_a_lost_link_ends_the_messages_with_an_error(tmp_path: Path):
    broker = mosquitto(tmp_path / "broker", users={"hub": HUB_PASSWORD, GATEWAY: GATEWAY_PASSWORD})
    broker.start()
    with pytest.raises(MqttUnavailable):
        await _listen(_settings(broker, tmp_path), meanwhile=broker.kill)


@pytest.mark.slow
async def test_a_broker_that_stands_still_is_noticed_within_two_keepalives(tmp_path: Path):
    broker = mosquitto(tmp_path / "broker", users={"hub": HUB_PASSWORD, GATEWAY: GATEWAY_PASSWORD})
    broker.start()
    assert broker.process is not None
    began = time.monotonic()
    try:
        with pytest.raises(MqttUnavailable):
            await _listen(_settings(broker, tmp_path), meanwhile=lambda: os.kill(broker.process.pid, signal.SIGSTOP))
    finally:
        os.kill(broker.process.pid, signal.SIGCONT)
        broker.stop()
    assert time.monotonic() - began < 2 * KEEPALIVE_SECONDS + ANSWER_SECONDS


async def _listen(settings: MqttSettings, *, meanwhile: Callable[[], None]) -> None:
    async with connect(settings, gateway=GATEWAY, will=WILL) as link:
        meanwhile()
        async for _ in link.messages():
            pass


def _settings(broker: Mosquitto, folder: Path) -> MqttSettings:
    password = folder / "gateway-password"
    password.write_text(GATEWAY_PASSWORD)
    return MqttSettings(port=broker.port, password_file=password)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def tls_port(authority: Authority, tmp_path: Path) -> Iterator[int]:
    """A broker that speaks TLS alone."""
    port = free_port()
    certificate, key = authority.issue("server", hosts=("127.0.0.1",))
    configuration = tmp_path / "tls.conf"
    configuration.write_text(
        f"user {getpass.getuser()}\nallow_anonymous true\nlistener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
    )
    service = Service(
        name="Mosquitto",
        program=locate("mosquitto"),
        arguments=["-c", str(configuration)],
        log=tmp_path / "tls.log",
        answers=lambda: listens(port),
    )
    service.start()
    yield port
    service.stop()


async def test_a_broker_with_a_certificate_of_our_authority_is_believed(tls_port: int, authority: Authority):
    settings = MqttSettings(port=tls_port, tls=True, ca_file=authority.file)
    async with connect(settings, gateway=GATEWAY, will=WILL) as link:
        await link.publish(TOPIC, b"{}")


async def test_a_broker_with_another_authoritys_certificate_is_not(tls_port: int, tmp_path: Path):
    settings = MqttSettings(port=tls_port, tls=True, ca_file=Authority(tmp_path, "another").file)
    with pytest.raises(MqttUnavailable, match="its certificate is refused: "):
        async with connect(settings, gateway=GATEWAY, will=WILL):
            pass


async def test_a_broker_under_another_name_is_not(tls_port: int, authority: Authority):
    settings = MqttSettings(host="localhost", port=tls_port, tls=True, ca_file=authority.file)
    with pytest.raises(MqttUnavailable, match="its certificate is refused: "):
        async with connect(settings, gateway=GATEWAY, will=WILL):
            pass
