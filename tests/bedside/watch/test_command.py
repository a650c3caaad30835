"""`bedside watch` as a person or a script uses it, against a real hub."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bedside.services.redis import Redis
from tests.bedside.watch.samples import said
from tests.support.hub import HOSPITAL, PATIENT, WARD, LiveHub, running_hub
from tests.support.net import free_port
from tests.support.terminal import terminal

pytestmark = pytest.mark.slow

VITALS = f"ward:{HOSPITAL}:{WARD}:vitals"
WATCH = (sys.executable, "-m", "bedside", "watch")
END_SECONDS = 20


@dataclass(kw_only=True)
class Done:
    code: int
    out: str
    err: str


async def ran(*words: str) -> Done:
    """The command to its end, without a terminal."""
    process = await asyncio.create_subprocess_exec(
        *WATCH, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), END_SECONDS)
    return Done(code=process.returncode or 0, out=out.decode(), err=err.decode())


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis) -> AsyncIterator[LiveHub]:
    async with running_hub(tmp_path, redis_server.url) as running:
        yield running


def aimed(hub: LiveHub, token: str | None = None) -> tuple[str, ...]:
    return "--hub", f"http://127.0.0.1:{hub.settings.port}", "--token", token or hub.token("viewer")


def rate(number: int) -> dict:
    return {"patient_id": PATIENT, "heart_rate": number, "timestamp": said(datetime.now(UTC))}


async def test_without_a_set_up_it_ends_with_3(tmp_path: Path):
    done = await ran("--state", str(tmp_path))
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "bedside demo" in done.err


async def test_without_a_hub_it_ends_with_4_and_says_what_to_do():
    done = await ran("--hub", f"http://127.0.0.1:{free_port()}", "--token", "t")
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert "Connection refused" in done.err
    assert "--hub URL" in done.err


@pytest.mark.parametrize("options", [(), ("--once",), ("--json",), ("--once", "--json")])
async def test_with_a_wrong_token_it_ends_with_5_and_does_not_repeat_it(hub: LiveHub, options: tuple[str, ...]):
    done = await ran(*aimed(hub, "wrong-token"), *options)
    assert (done.code, done.out, done.err.count("\n")) == (5, "", 1)
    assert "the token is not valid" in done.err
    assert "wrong-token" not in done.err


async def test_with_an_expired_token_it_ends_with_5(hub: LiveHub):
    past = hub.token("viewer", hospitals=[HOSPITAL], ttl=timedelta(seconds=1), now=datetime(2026, 1, 1, tzinfo=UTC))
    done = await ran(*aimed(hub, past))
    assert (done.code, "the token has expired" in done.err) == (5, True)


async def test_a_ward_that_is_not_there_ends_with_2(hub: LiveHub):
    done = await ran(*aimed(hub), "--ward", "nowhere", "--once")
    assert (done.code, "nowhere" in done.err) == (2, True)


async def test_once_prints_the_present_picture(hub: LiveHub):
    done = await ran(*aimed(hub), "--once")
    assert (done.code, done.err) == (0, "")
    assert "● hub linked" in done.out
    assert " b1 " in done.out
    assert "A secondary display, not a primary alarm." in done.out


async def test_once_in_json_is_one_object_with_beds_links_and_alerts(hub: LiveHub):
    done = await ran(*aimed(hub), "--once", "--json")
    picture = json.loads(done.out)
    assert picture["link"]["state"] == "live"
    assert [(bed["bed"], bed["patient_id"]) for bed in picture["beds"]] == [("b1", PATIENT)]
    assert picture["alerts"] == []


async def test_json_lines_are_the_hubs_own_messages(hub: LiveHub):
    process = await asyncio.create_subprocess_exec(
        *WATCH, *aimed(hub), "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(END_SECONDS):
        while json.loads(await process.stdout.readline())["type"] != "link":
            pass  # the answers to its subscriptions
        published = await hub.owner.publish(HOSPITAL, [VITALS], rate(72))
        message = json.loads(await process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert (message["type"], message["event_id"]) == ("vitals_update", published.event_id)
    assert message["data"]["heart_rate"] == 72


async def test_a_reader_that_leaves_ends_it_quietly(hub: LiveHub):
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"{' '.join((*WATCH, *aimed(hub)))} --json | head -3", stdout=-1, stderr=-1
    )
    ended = asyncio.create_task(process.communicate())
    async with asyncio.timeout(END_SECONDS):
        while not ended.done():  # only a line more shows that the reader has gone
            await hub.owner.publish(HOSPITAL, [VITALS], rate(72))
            await asyncio.wait([ended], timeout=0.1)
    out, err = await ended
    assert (out.decode().count("\n"), err) == (3, b"")


async def test_into_a_pipe_it_writes_lines(hub: LiveHub):
    process = await asyncio.create_subprocess_exec(*WATCH, *aimed(hub), stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(END_SECONDS):
        assert b"the link to the hub is live" in await process.stdout.readline()
        await hub.owner.publish(HOSPITAL, [VITALS], rate(72))
        assert (await process.stdout.readline()).decode().endswith("  bed b1   HR 72 /min\n")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_on_a_terminal_it_fills_the_screen_and_leaves_it_as_it_was(hub: LiveHub, number: signal.Signals):
    async with terminal(*WATCH, *aimed(hub)) as shown:
        await shown.shows("● hub linked", " b1 ")
        await hub.owner.publish(HOSPITAL, [VITALS], rate(72))
        await shown.shows("   72 ")
        shown.process.send_signal(number)
        assert await asyncio.wait_for(shown.process.wait(), END_SECONDS) == 0
        assert shown.text.index("\x1b[?1049h") < shown.text.index("\x1b[?1049l")
        assert shown.text.rindex("\x1b[?25l") < shown.text.rindex("\x1b[?25h")


async def test_a_screen_whose_token_is_refused_is_put_away_and_the_reason_stays(hub: LiveHub):
    async with terminal(*WATCH, *aimed(hub)) as shown:
        await shown.shows("● hub linked")
        await hub.http.post("/auth/revocations", json={"subject": "viewer"}, headers=hub.headers("admin"))
        assert await asyncio.wait_for(shown.process.wait(), END_SECONDS) == 5
        assert "refuses: the token was revoked" in shown.text[shown.text.index("\x1b[?1049l") :]


async def test_a_dumb_terminal_gets_lines(hub: LiveHub):
    async with terminal(*WATCH, *aimed(hub), environment={"TERM": "dumb"}) as shown:
        await shown.shows("the link to the hub is live")
        assert "\x1b[?1049h" not in shown.text
