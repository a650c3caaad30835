"""docker-compose.yml and the images are true: every file they name exists, and their configuration runs as it stands."""

import os
import pwd
import re

import pytest
import yaml
from redis import Redis as RedisClient
from redis.exceptions import AuthenticationError

from bedside.deployment import make_secrets
from bedside.services.locate import locate
from bedside.services.mosquitto import Mosquitto
from bedside.services.process import Service, free_port, listens
from tests.bedside.test_services import Client
from tests.deploy.compose import ROOT, Compose, load
from tests.support.waiting import eventually

IMAGES = sorted((ROOT / "deploy" / "docker").glob("*.Dockerfile"))


@pytest.fixture
def compose(tmp_path) -> Compose:
    make_secrets(tmp_path / "secrets", ["gw-1"])
    return load(tmp_path / "secrets")


def test_every_mounted_file_exists_and_every_secret_is_made(compose):
    for name in compose.content["services"]:
        for target, source in compose.mounts(name).items():
            assert source.is_file(), f"{name}: {target} is {source}"


def test_every_secret_and_volume_that_a_service_names_is_declared(compose):
    for service in compose.content["services"].values():
        assert set(service.get("secrets", [])) <= set(compose.content["secrets"])
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if volume[0] not in "./"}
        assert named <= set(compose.content["volumes"])


def test_what_stands_in_comments_fits_once_its_marks_are_taken_away(tmp_path):
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    content = yaml.safe_load(re.sub(r"^( +)# (?=- |payload-keys:)", r"\1", text, flags=re.MULTILINE))
    whole = Compose(content=content, secrets=tmp_path / "secrets")
    make_secrets(whole.secrets, ["gw-1"], payload_key=True)
    mounts = whole.mounts("hub")
    assert mounts["/run/secrets/payload-keys"].is_file()
    assert mounts["/etc/bedside/certs"] == ROOT / "deploy" / "hub" / "certs"


def test_every_service_restarts_and_shows_its_health(compose):
    for name, service in compose.content["services"].items():
        assert service["restart"] == "unless-stopped"
        built = (ROOT / service["build"]["dockerfile"]).read_text() if "build" in service else ""
        assert "healthcheck" in service or "HEALTHCHECK" in built, name


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_an_image_copies_what_exists_and_does_not_run_as_root(image):
    text = image.read_text(encoding="utf-8")
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    final = text.split("FROM ")[-1]
    assert re.search(r"^USER bedside$", final, re.MULTILINE)
    assert "--require-hashes" in text


def test_the_hubs_image_has_no_edge_and_the_agents_no_hub():
    hub, agent = ((ROOT / "deploy" / "docker" / f"{name}.Dockerfile").read_text() for name in ("hub", "agent"))
    assert "edge" not in re.sub(r"#.*", "", hub)
    assert "device_drivers" not in hub
    assert "COPY hub" not in agent


async def test_the_broker_runs_with_the_files_of_the_composition(compose, tmp_path):
    port = free_port()
    user = pwd.getpwuid(os.geteuid()).pw_name
    file = compose.native(
        "mosquitto",
        "/mosquitto/config/mosquitto.conf",
        tmp_path,
        **{"listener 1883": f"user {user}\nlistener {port} 127.0.0.1"},
    )
    (tmp_path / "mosquitto" / "data").mkdir()
    command = compose.service("mosquitto")["command"]
    assert command == ["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
    broker = Mosquitto(
        name="Mosquitto",
        program=locate(command[0]),
        arguments=["-c", str(file)],
        log=tmp_path / "log",
        answers=lambda: listens(port),
    )
    broker.port = port
    broker.start()
    try:
        password = (compose.secrets / "gateway-gw-1-password").read_text()
        with Client(broker, "gw-1", password) as right, Client(broker, "gw-1", "wrong") as wrong:
            assert await eventually(lambda: right.answers) == ["Success"]
            assert await eventually(lambda: wrong.answers) == ["Not authorized"]
    finally:
        broker.stop()


def test_redis_runs_with_the_files_of_the_composition(compose, tmp_path):
    port = free_port()
    file = compose.native(
        "redis", "/usr/local/etc/redis/compose.conf", tmp_path, **{"port 6379": f"port {port}", "* -::*": "127.0.0.1"}
    )
    (tmp_path / "data").mkdir()
    service = Service(
        name="Redis",
        program=locate(compose.service("redis")["command"][0]),
        arguments=[str(file)],
        log=tmp_path / "log",
        answers=lambda: listens(port),
    )
    service.start()
    try:
        password = (compose.secrets / "redis-password").read_text()
        with RedisClient(port=port, password=password) as client:
            assert client.config_get("appendonly") == {"appendonly": "yes"}
        with RedisClient(port=port) as client, pytest.raises(AuthenticationError):
            client.ping()
    finally:
        service.stop()


def test_secrets_are_random_private_and_kept(tmp_path):
    folder = tmp_path / "secrets"
    first = make_secrets(folder, ["gw-1"])
    assert folder.stat().st_mode & 0o077 == 0
    assert make_secrets(folder, ["gw-1"]) == []
    password = (folder / "gateway-gw-1-password").read_text()
    assert len(password) >= 64
    added = make_secrets(folder, ["gw-2"])
    assert {path.name for path in added} == {"gateway-gw-2-password", "mosquitto-passwords"}
    assert (folder / "gateway-gw-1-password").read_text() == password
    assert len((folder / "mosquitto-passwords").read_text().splitlines()) == 3
    assert len({path.read_text() for path in first}) == len(first)
