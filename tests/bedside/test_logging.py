"""Logging by level per package, as the guide's troubleshooting wants; and whatever level is set, no token and no patient's data."""

import asyncio
import json

import httpx
import pytest
import websockets

from bedside.logs import LIBRARIES_FROM
from edge_agent.settings import Level
from tests.bedside.command_line import started
from tests.bedside.running_hub import NAME, PATIENT, RunningHub, configuration, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

GUIDE = {"app.services.websocket_manager": "DEBUG", "app.services.realtime_events": "DEBUG"}
HEART_RATE = 7213
WAIT_SECONDS = 20
CONNECTED, PUBLISHED = "DEBUG hub.realtime.websocket: client ", "DEBUG hub.rooms.rooms: hospital-1: "


async def used(hub: RunningHub) -> list[str]:
    """A client watches with its token in the address, an event passes; the tokens that were used."""
    clinician, tester = hub.token("clinician"), hub.token("tester")
    address = f"{hub.url.replace('http', 'ws')}/realtime/ws/patient/{PATIENT}?token={clinician}"
    event = {"event_type": "patient.vitals.update", "patient_id": PATIENT, "vitals": {"heart_rate": HEART_RATE}}
    headers = {"Authorization": f"Bearer {tester}"}
    async with asyncio.timeout(WAIT_SECONDS), httpx.AsyncClient() as http:
        await eventually(lambda: _subscribed(address))
        async with websockets.connect(address) as socket:
            answer = await http.post(f"{hub.url}/realtime/test/publish", json=event, headers=headers)
            assert answer.status_code == 200, answer.text
            while str(HEART_RATE) not in str(await socket.recv()):
                pass
    return [clinician, tester]


async def _subscribed(address: str) -> bool:
    """Whether the room can be followed yet: a new hospital's has no epoch until its owner begins one."""
    async with websockets.connect(address) as socket:
        return json.loads(await socket.recv())["type"] == "subscription"


def assert_discreet(log: str, tokens: list[str]) -> None:
    assert not [token for token in tokens if token in log or token.rpartition(".")[2] in log]
    assert "token=" not in log
    assert NAME not in log
    assert str(HEART_RATE) not in log


async def test_debug_lines_are_off_until_they_are_asked_for(tmp_path, redis_server, mosquitto_server):
    file = configuration(tmp_path, redis_server, mosquitto_server)
    async with running(file) as hub:
        tokens = await used(hub)
    assert " INFO " in hub.log
    assert " DEBUG " not in hub.log
    assert_discreet(hub.log, tokens)


async def test_the_guides_loggers_are_turned_on_in_the_file(tmp_path, redis_server, mosquitto_server):
    file = configuration(tmp_path, redis_server, mosquitto_server, logging={"loggers": {}})
    file.write_text(file.read_text() + "".join(f'"{name}" = "{level}"\n' for name, level in GUIDE.items()))
    async with running(file) as hub:
        tokens = await used(hub)
    assert CONNECTED in hub.log
    assert PUBLISHED in hub.log
    assert "DEBUG hub.ingest" not in hub.log
    assert_discreet(hub.log, tokens)


async def test_a_logger_is_turned_on_and_all_others_off_by_variables(tmp_path, redis_server, mosquitto_server):
    file = configuration(tmp_path, redis_server, mosquitto_server)
    levels = {
        "BEDSIDE_LOGGING__LEVEL": "ERROR",
        "BEDSIDE_LOGGING__LOGGERS__APP__SERVICES__WEBSOCKET_MANAGER": "DEBUG",
    }
    async with running(file, **levels) as hub:
        tokens = await used(hub)
    assert CONNECTED in hub.log
    assert " INFO " not in hub.log
    assert_discreet(hub.log, tokens)


async def test_no_level_lets_a_token_or_a_patients_data_into_the_log(tmp_path, redis_server, mosquitto_server):
    """Libraries' DEBUG lines hold statements with their values, frames and headers; asking for them is answered with a warning."""
    file = configuration(tmp_path, redis_server, mosquitto_server)
    levels = {"BEDSIDE_LOGGING__LEVEL": "DEBUG", "BEDSIDE_LOGGING__LOGGERS__AIOSQLITE": "DEBUG"}
    async with running(file, **levels) as hub:
        tokens = await used(hub)
    assert CONNECTED in hub.log
    assert "WARNING hub.logs: aiosqlite stays at INFO" in hub.log
    assert not [line for line in hub.log.splitlines() if " DEBUG " in line and " DEBUG hub." not in line]
    assert_discreet(hub.log, tokens)


def agents_log(tmp_path, *words: str, loggers: str = "", **environment: str) -> str:
    """What an agent says whose state folder can't be: it ends at once."""
    file = tmp_path / "gateway.toml"
    file.write_text(f'gateway_id = "gw-1"\nstate_dir = "/proc/none"\n[logging.loggers]\n{loggers}\n')
    return started("agent", "run", "--config", file, *words, **environment).err


def test_an_agents_libraries_stay_at_info_too(tmp_path):
    said = agents_log(tmp_path, "--log-level", "DEBUG", loggers='"bleak" = "DEBUG"\n"edge_agent.agent" = "DEBUG"')
    assert f"bleak stays at {LIBRARIES_FROM}" in said
    assert "edge_agent.agent stays" not in said
    assert "DEBUG asyncio" not in said


def test_an_agents_level_is_said_by_option_variable_or_file(tmp_path):
    told = "WARNING bedside.logs: bleak stays"
    loggers = '"bleak" = "DEBUG"'
    assert told in agents_log(tmp_path, loggers=loggers)
    assert told not in agents_log(tmp_path, loggers=loggers, BEDSIDE_LOGGING__LEVEL=Level.ERROR.value)
    assert told in agents_log(tmp_path, "--log-level", "INFO", loggers=loggers, BEDSIDE_LOGGING__LEVEL="ERROR")
