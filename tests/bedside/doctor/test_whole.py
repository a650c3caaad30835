"""`bedside doctor` as a process, on a demo and on a deployment that are well, that are broken, and that never answer."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bedside.exits import Exit
from bedside.up.layout import Layout
from bedside.up.toml import toml
from tests.bedside.command_line import Said, started
from tests.bedside.running_hub import configuration, running
from tests.end_to_end.conftest import Road, start_road, stop_road
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

NAMES = {
    *("set-up", "programs", "hub.toml", "token secret", "gateway.toml", "secrets", "disk", "database", "Redis"),
    *("broker, as the hub", "hub", "live side", "clocks", "agent", "outbox", "devices"),
    *("broker, as the gateway", "Bluetooth", "serial ports"),
}
LONGEST_SECONDS = 10


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    road = start_road(tmp_path_factory.mktemp("doctor") / "state")
    yield road
    stop_road(road)


def asked(*words: object, **environment: str) -> tuple[int, dict[str, dict]]:
    """The exit code, and each finding by its check."""
    said = started("doctor", "--json", *words, **environment)
    assert said.err == ""
    content = json.loads(said.out)
    assert content["exit_code"] == said.code
    return said.code, {row["check"]: row for row in content["checks"]}


def failures(found: dict[str, dict]) -> set[str]:
    return {name for name, row in found.items() if row["outcome"] == "failed"}


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def child(demo: Road, *words: str) -> int:
    """The demo's child whose command line has all these words."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 2) for line in listed.splitlines())
    return next(
        int(pid) for pid, parent, args in rows if int(parent) == demo.process.pid and all(w in args for w in words)
    )


async def test_a_demo_that_is_well_passes_every_check(demo):
    code, found = asked("--state", demo.state)
    assert (failures(found), code) == (set(), Exit.OK)
    assert set(found) == NAMES
    assert {row["outcome"] for row in found.values()} <= {"ok", "warning"}


def test_people_are_told_on_one_screen_without_colours_in_a_pipe(demo):
    said = started("doctor", "--state", demo.state)
    assert said.code == Exit.OK
    assert len(said.out.splitlines()) <= len(NAMES) + 4
    assert "\033" not in said.out


def test_no_password_and_no_token_is_told(demo):
    layout = Layout(demo.state)
    secrets = [path.read_text().strip() for path in layout.jwt_secret.parent.iterdir()]
    secrets += [(demo.state / "redis" / "password").read_text(), "eyJ"]
    with (
        changed(layout.hub_password, "another-password"),
        changed(layout.jwt_secret, "another-secret-of-32-bytes-and-more"),
    ):
        broken = started("doctor", "--state", demo.state)
    for said in (broken, started("doctor", "--state", demo.state, "--json")):
        assert not [secret for secret in [*secrets, "another-"] if secret in said.out + said.err]


async def test_a_password_that_the_broker_refuses_is_exit_5(demo):
    with changed(Layout(demo.state).hub_password, "wrong"):
        code, found = asked("--state", demo.state)
    assert (failures(found), code) == ({"broker, as the hub"}, Exit.AUTHENTICATION)
    with changed(Layout(demo.state).gateway_password, "wrong"):
        code, found = asked("--state", demo.state)
    assert (failures(found), code) == ({"broker, as the gateway"}, Exit.AUTHENTICATION)


async def test_a_secret_that_is_not_the_running_hubs_is_exit_5(demo):
    with changed(Layout(demo.state).jwt_secret, "Xq3X8fGz0LpVtR5yWb2Nc7Jd1Hs4Km9Ae6"):
        code, found = asked("--state", demo.state)
    assert (failures(found), code) == ({"live side"}, Exit.AUTHENTICATION)
    assert "the token's signature does not match" in found["live side"]["found"]


def test_a_setting_that_is_wrong_is_exit_3_and_what_hangs_on_it_is_not_asked(demo):
    with changed(Layout(demo.state).hub_toml, "prot = 1\n"):
        code, found = asked("--state", demo.state)
    assert (code, found["hub.toml"]["outcome"], found["Redis"]["outcome"]) == (
        Exit.CONFIGURATION,
        "failed",
        "not applicable",
    )
    assert found["agent"]["outcome"] == "ok"


async def test_a_redis_that_stands_still_is_exit_4_within_ten_seconds(demo):
    with standing_still(child(demo, "redis-server")):
        began = time.monotonic()
        code, found = asked("--state", demo.state)
        assert time.monotonic() - began < LONGEST_SECONDS
    assert code == Exit.UNREACHABLE
    assert "Redis" in failures(found)


async def test_a_broker_that_stands_still_is_exit_4(demo):
    with standing_still(child(demo, "mosquitto", "-c")):
        code, found = asked("--state", demo.state)
    assert code == Exit.UNREACHABLE
    assert {"broker, as the hub", "broker, as the gateway"} <= failures(found)


async def test_a_hub_that_stands_still_is_exit_4(demo):
    with standing_still(child(demo, "bedside hub")):
        code, found = asked("--state", demo.state)
    assert code == Exit.UNREACHABLE
    assert {"hub", "live side"} <= failures(found)


async def test_an_agent_that_was_killed_is_exit_4_until_it_is_back(demo):
    pid = child(demo, "agent run")
    with standing_still(pid):
        await eventually(lambda: "agent" in failures(asked("--state", demo.state)[1]), seconds=40)
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: asked("--state", demo.state)[0] == Exit.OK, seconds=60)


def test_a_demo_that_is_over_is_told_how_to_start_again(tmp_path):
    road = start_road(tmp_path / "state")
    stop_road(road)
    code, found = asked("--state", road.state)
    assert (failures(found), code) == ({"set-up"}, Exit.UNREACHABLE)
    assert found["set-up"]["advice"].endswith(f"bedside demo --state {road.state}")


async def test_a_deployed_hub_is_looked_at_by_its_file(tmp_path, redis_server, mosquitto_server):
    file = configuration(tmp_path, redis_server, mosquitto_server, host="0.0.0.0")
    async with running(file) as hub:
        await eventually(lambda: asked("--config", file, BEDSIDE_PORT=str(hub.port))[0] == Exit.OK, seconds=30)
        code, found = asked("--config", file, BEDSIDE_PORT=str(hub.port))
        as_deployed = {"BEDSIDE_PRODUCTION": "true", "BEDSIDE_AUTH__SHARED_SECRET": "true"}
        production = asked("--config", file, BEDSIDE_PORT=str(hub.port), **as_deployed)[1]
    assert (failures(found), code) == (set(), Exit.OK)
    assert "without production = true" in found["hub.toml"]["found"]
    assert production["hub.toml"]["outcome"] == "ok"
    assert not {"agent", "set-up"} & set(found)


def test_servers_that_never_answer_are_given_up_within_ten_seconds(
    tmp_path, silent_port, redis_server, mosquitto_server
):
    file = configuration(
        tmp_path,
        redis_server,
        mosquitto_server,
        database_url=f"postgresql+psycopg://u:hidden@127.0.0.1:{silent_port}/d",
        redis_url=f"redis://:hidden@127.0.0.1:{silent_port}/0",
    )
    said = silently(file, silent_port)
    content = {row["check"]: row for row in json.loads(said.out)["checks"]}
    assert failures(content) == {"database", "Redis", "broker, as the hub", "hub", "live side"} | (
        {"clocks"} if content["clocks"]["outcome"] == "failed" else set()
    )
    assert said.code == Exit.UNREACHABLE
    assert "hidden" not in said.out + said.err


def silently(file: Path, port: int) -> Said:
    began = time.monotonic()
    environment = {"BEDSIDE_PORT": str(port), "BEDSIDE_MQTT__PORT": str(port)}
    said = started("doctor", "--config", file, "--json", **environment)
    assert time.monotonic() - began < LONGEST_SECONDS
    return said


def test_a_gateway_is_looked_at_by_its_file(tmp_path, mosquitto_server):
    (tmp_path / "password").write_text("wrong")
    (tmp_path / "password").chmod(0o600)
    mqtt = {"host": "127.0.0.1", "port": mosquitto_server.port, "password_file": str(tmp_path / "password")}
    file = tmp_path / "gateway.toml"
    file.write_text(toml({"gateway_id": "gw-1", "state_dir": str(tmp_path / "state"), "mqtt": mqtt}))
    code, found = asked("--gateway", file)
    assert (failures(found), code) == ({"agent", "broker, as the gateway"}, Exit.AUTHENTICATION)
    assert not {"hub", "database"} & set(found)
    assert found["Bluetooth"]["outcome"] == "not applicable"
