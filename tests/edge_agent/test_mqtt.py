"""The link to a real broker: TLS, refusals, a broker that stands still."""

import getpass
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bedside.services.locate import locate
from bedside.services.mosquitto import Mosquitto, mosquitto
from bedside.services.process import Service, free_port, listens
from edge_agent.errors import MqttUnavailable
from edge_agent.mqtt import ANSWER_SECONDS, KEEPALIVE_SECONDS, Will, _refused, _translated, connect
from edge_agent.settings import MqttSettings
from tests.conftest import GATEWAY_PASSWORD, HUB_PASSWORD
from tests.edge_agent.conftest import GATEWAY
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


class Authority:
    """A certificate authority of one test, and its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {folder.name}")])
        self.file = folder / "ca.pem"
        folder.mkdir()
        ca = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self.certificate = ca.add_extension(usage, True).sign(self.key, hashes.SHA256())
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, address: str) -> tuple[Path, Path]:
        """Certificate and key for a server at `address`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")]), key)
        named = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        certificate = builder.add_extension(named, False).sign(self.key, hashes.SHA256())
        certificate_file, key_file = self.folder / "server.pem", self.folder / "server.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate_file, key_file

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def tls_port(authority: Authority, tmp_path: Path) -> Iterator[int]:
    """A broker that speaks TLS alone."""
    port = free_port()
    certificate, key = authority.server("127.0.0.1")
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


# paho leaves a socket whose handshake failed to the garbage collector.
unclosed_handshake = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)


@unclosed_handshake
async def test_a_broker_with_another_authoritys_certificate_is_not(tls_port: int, tmp_path: Path):
    settings = MqttSettings(port=tls_port, tls=True, ca_file=Authority(tmp_path / "another").file)
    with pytest.raises(MqttUnavailable, match=r"(?i)certificate verify failed"):
        async with connect(settings, gateway=GATEWAY, will=WILL):
            pass


@unclosed_handshake
async def test_a_broker_under_another_name_is_not(tls_port: int, authority: Authority):
    settings = MqttSettings(host="localhost", port=tls_port, tls=True, ca_file=authority.file)
    with pytest.raises(MqttUnavailable, match=r"(?i)certificate verify failed"):
        async with connect(settings, gateway=GATEWAY, will=WILL):
            pass
