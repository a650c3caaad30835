"""The broker, asked as the hub and as a gateway: real Mosquitto, each way in which it refuses, and what is no broker."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bedside.doctor.broker import ASK_SECONDS, Visit, ask
from bedside.doctor.findings import Finding, Outcome
from bedside.exits import Exit
from bedside.services.mosquitto import Mosquitto, mosquitto
from hub.settings import MqttSettings
from tests.bedside.test_services import Client
from tests.conftest import GATEWAY_PASSWORD, HUB_PASSWORD
from tests.support.net import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

READS = ("bedside/v1/+/readings", "bedside/v1/+/state")
WRITES = "bedside/v1/bedside-doctor/ack"
AWAY = "look at it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Someone who visits a broker with a password of a file."""

    folder: Path

    def asks(self, port: int, *, user: str | None = "hub", password: str = HUB_PASSWORD, **settings: object) -> Finding:
        file = self.folder / "password"
        file.write_text(f"{password}\n")
        mqtt = MqttSettings(host="127.0.0.1", port=port, password_file=file, **settings)
        return ask(Visit(settings=mqtt, user=user, reads=READS, writes=WRITES), away=AWAY)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(folder=tmp_path)


@pytest.fixture
def deaf_to_the_hub(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker whose access rules forgot what the hub writes."""
    service = mosquitto(tmp_path / "mosquitto", users={"hub": HUB_PASSWORD})
    (tmp_path / "mosquitto" / "acl").write_text("user hub\ntopic read bedside/v1/+/readings\n")
    service.start()
    yield service
    service.stop()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A broker that speaks TLS with a certificate of its own; its port and the certificate."""
    folder = tmp_path / "secured"
    service = mosquitto(folder, users={"hub": HUB_PASSWORD})
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _certify(certificate, key)
    configuration = folder / "mosquitto.conf"
    secured = f"certfile {certificate}\nkeyfile {key}\n"
    configuration.write_text(configuration.read_text().replace("password_file", f"{secured}password_file", 1))
    service.start()
    yield service.port, certificate
    service.stop()


def _certify(certificate: Path, key: Path) -> None:
    """A certificate for 127.0.0.1 that vouches for itself, good for a day."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a broker of a test")])
    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, SHA256())
    )
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def test_the_hub_is_let_in_and_hears_which_gateways_there_are(guest, mosquitto_server):
    assert guest.asks(mosquitto_server.port).outcome is Outcome.OK
    with Client(mosquitto_server, "gw-2", GATEWAY_PASSWORD) as gateway:
        await eventually(lambda: gateway.answers)
        state = gateway._client.publish("bedside/v1/gw-2/state", b"{}", qos=1, retain=True)
        state.wait_for_publish(5)
        assert "; it knows 1 gateway" in guest.asks(mosquitto_server.port).found
        gateway._client.publish("bedside/v1/gw-2/state", b"", qos=1, retain=True).wait_for_publish(5)


async def test_what_it_tries_reaches_nobody(guest, mosquitto_server):
    with Client(mosquitto_server, "gw-1", GATEWAY_PASSWORD) as gateway:
        await eventually(lambda: gateway.answers)
        for channel in ("ack", "config"):
            await gateway.subscribe(f"bedside/v1/gw-1/{channel}")
        assert guest.asks(mosquitto_server.port).outcome is Outcome.OK
        assert gateway.received == []


def test_a_wrong_password_is_a_refusal(guest, mosquitto_server):
    found = guest.asks(mosquitto_server.port, password="wrong-password")
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.AUTHENTICATION)
    assert "user hub: Not authorized" in found.found
    assert "wrong-password" not in found.found + found.advice


def test_no_password_where_one_is_wanted_is_a_refusal(guest, mosquitto_server):
    assert guest.asks(mosquitto_server.port, user=None).code is Exit.AUTHENTICATION


def test_a_hub_that_may_not_write_is_found_out_though_its_password_is_right(guest, deaf_to_the_hub):
    found = guest.asks(deaf_to_the_hub.port)
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.AUTHENTICATION)
    assert f"user hub may not write {WRITES}" in found.found
    assert "deploy/mosquitto/acl" in found.advice


def test_a_gateway_in_the_hubs_place_is_found_out(guest, mosquitto_server):
    found = guest.asks(mosquitto_server.port, user="gw-1", password=GATEWAY_PASSWORD)
    assert (found.outcome, found.code) == (Outcome.FAILED, Exit.AUTHENTICATION)


def test_nobody_there_is_unreachable_with_the_advice_of_who_asked(guest):
    found = guest.asks(free_port())
    assert (found.code, found.advice) == (Exit.UNREACHABLE, AWAY)
    assert found.found.endswith("Connection refused")


def test_another_server_in_its_place_is_no_broker(guest, redis_server):
    found = guest.asks(redis_server.port)
    assert (found.code, found.outcome) == (Exit.UNREACHABLE, Outcome.FAILED)


def test_a_broker_that_stands_still_is_given_up(guest, silent_port):
    found = guest.asks(silent_port)
    assert found.found.endswith("takes connections, but does not answer as an MQTT broker")
    assert ASK_SECONDS < 5


def test_tls_with_a_broker_that_has_none_is_told_as_that(guest, mosquitto_server):
    found = guest.asks(mosquitto_server.port, tls=True)
    assert (found.code, "check mqtt.tls" in found.advice) == (Exit.UNREACHABLE, True)


def test_a_broker_whose_certificate_nobody_vouches_for_is_told_as_that(guest, secured):
    port, authority = secured
    found = guest.asks(port, tls=True)
    assert (found.code, "TLS: self-signed certificate" in found.found) == (Exit.UNREACHABLE, True)
    assert guest.asks(port, tls=True, ca_file=authority).outcome is Outcome.OK


def test_files_that_are_not_there_are_the_configurations_fault(guest, mosquitto_server, tmp_path):
    found = guest.asks(mosquitto_server.port, tls=True, ca_file=tmp_path / "none.pem")
    assert (found.code, "No such file or directory" in found.found) == (Exit.CONFIGURATION, True)


def test_no_connection_is_left_open(guest, mosquitto_server):
    """A ResourceWarning would fail this test."""
    guest.asks(mosquitto_server.port)
    with socket.create_connection(("127.0.0.1", mosquitto_server.port), timeout=2):
        pass
