"""Both clients against the real hub, on real rooms in Redis, over a line that can be cut."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from bedside.services.redis import Redis
from tests.conformance.driven import Driven, Open, python_client
from tests.conformance.line import Line, line
from tests.conformance.script import DATA, TIMINGS, assert_has
from tests.support.hub import HOSPITAL, PATIENT, WARD, LiveHub, running_hub
from tests.support.tokens import claims_of
from tests.support.waiting import eventually
from vitals.events import EventName

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALERTS = f"patient:{PATIENT}:alerts"
WARD_ALERTS = f"ward:{HOSPITAL}:{WARD}:alerts"
VITALS = f"patient:{PATIENT}:vitals"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A client whose subscriptions hold, the hub, and the line between."""

    hub: LiveHub
    line: Line
    client: Driven

    async def alert(self, number: int, rooms: tuple[str, ...] = (ALERTS,)) -> None:
        data = DATA[EventName.PATIENT_ALERT] | {"patient_id": PATIENT, "repeat": number}
        await self.hub.owner.publish(HOSPITAL, rooms, data, event=EventName.PATIENT_ALERT)

    async def shows(self, kind: str, **members: Any) -> dict[str, Any]:
        """The next that the client's user sees."""
        said = await self.client.says()
        assert "event" in said, said
        assert_has(said["event"], {"kind": kind, **members})
        return said["event"]

    async def shows_alert(self, number: int) -> None:
        await self.shows("event", event="patient.alert", data={"repeat": number})

    async def is_lost_and_found(self) -> None:
        """The link is noticed to be lost, and tried until it is back."""
        while (said := (await self.client.says())["event"])["kind"] == "closed":
            assert not said["terminal"]
        assert said["kind"] == "reconnected"


@contextlib.asynccontextmanager
async def bench(
    hub: LiveHub, open_client: Open, *, rooms: tuple[Any, ...] = (ALERTS,), **settings: Any
) -> AsyncIterator[Bench]:
    given = {"tokens": [hub.token("viewer")], "timings": TIMINGS, "rooms": rooms} | settings
    async with line(hub.settings.port) as between, open_client({"url": between.url, **given}) as client:
        opened = Bench(hub=hub, line=between, client=client)
        for _ in rooms:
            await opened.shows("subscribed")
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def hub(tmp_path: Path, redis_server: Redis) -> AsyncIterator[LiveHub]:
    async with running_hub(tmp_path, redis_server.url) as running:
        yield running


async def test_events_are_given_as_they_happen_and_once(hub: LiveHub, open_client: Open):
    async with bench(hub, open_client, rooms=(ALERTS, WARD_ALERTS, VITALS)) as on:
        await on.alert(1, (ALERTS, WARD_ALERTS))
        rate = {"patient_id": PATIENT, "heart_rate": 72, "timestamp": "2026-11-25T10:00:00Z"}
        await hub.owner.publish(HOSPITAL, [VITALS], rate)
        await on.shows_alert(1)
        await on.shows("event", event="patient.vitals.update", data=rate, n=2)


async def test_what_was_missed_comes_after_a_cut_line_in_order_and_once(hub: LiveHub, open_client: Open):
    async with bench(hub, open_client) as on:
        await on.alert(1)
        await on.shows_alert(1)
        on.line.cut()
        for number in (2, 3):
            await on.alert(number)
        on.line.mend()
        await on.is_lost_and_found()
        await on.shows("recovered", room=ALERTS, replayed=2)
        await on.alert(4)
        for number in (2, 3, 4):
            await on.shows_alert(number)


async def test_a_new_epoch_is_a_gap_with_the_rooms_latest_state(hub: LiveHub, open_client: Open):
    async with bench(hub, open_client) as on:
        await on.alert(1)
        await on.shows_alert(1)
        on.line.cut()
        hub.owner.n[HOSPITAL] += 10
        await hub.owner.begin(HOSPITAL)
        on.line.mend()
        await on.is_lost_and_found()
        gap = await on.shows("gap", room=ALERTS, snapshot={"n": hub.owner.n[HOSPITAL]})
        assert gap["snapshot"]["state"] == {"as_of": hub.owner.n[HOSPITAL]}
        assert gap["missing"]["epoch"] != gap["epoch"]
        await on.alert(2)
        await on.shows_alert(2)


async def test_a_history_that_was_trimmed_is_a_gap_that_names_the_range(tmp_path, redis_server, open_client: Open):
    async with (
        running_hub(tmp_path, redis_server.url, history_bytes=4096) as hub,
        bench(hub, open_client) as on,
    ):
        await on.alert(1)
        await on.shows_alert(1)
        on.line.cut()
        for number in range(2, 60):
            await on.alert(number)
        on.line.mend()
        await on.is_lost_and_found()
        gap = await on.shows("gap", room=ALERTS)
        assert gap["missing"]["first"] == 2
        await on.alert(60)
        await on.shows_alert(60)


async def test_history_is_answered_and_leads_to_where_the_room_stands(hub: LiveHub, open_client: Open):
    for number in (1, 2):
        await hub.owner.publish(
            HOSPITAL, [ALERTS], DATA["patient.alert"] | {"repeat": number}, event=EventName.PATIENT_ALERT
        )
    async with bench(hub, open_client) as on:
        await on.client.order({"do": "ask", "type": "history", "fields": {"room": ALERTS}})
        answer = (await on.client.says())["answer"]
        assert [message["data"]["repeat"] for message in answer["messages"]] == [1, 2]
        await on.client.order({"do": "ask", "type": "history", "fields": {"room": ALERTS, "since": answer["next"]}})
        assert (await on.client.says())["answer"]["messages"] == []
        await on.client.order({"do": "ask", "type": "history", "fields": {"room": "admin:updates"}})
        assert "refused" in await on.client.says()


async def test_who_is_there_is_told_as_it_changes(hub: LiveHub, open_client: Open):
    room = {"room": ALERTS, "presence": True}
    async with bench(hub, open_client, rooms=(room,)) as on:
        await on.shows("presence_change", room=ALERTS, change={"type": "presence"})
        async with hub.connect("/realtime/ws", token=hub.token("clinician", subject="nurse1")) as other:
            await other.send(json.dumps({"type": "subscribe", "room": ALERTS}))
            while (told := await on.shows("presence_change"))["change"].get("user") != "nurse1":
                pass
        assert told["change"]["type"] == "presence_change"


async def test_a_hub_that_drains_is_left_and_found_again(hub: LiveHub, open_client: Open):
    async with bench(hub, open_client) as on:
        await hub.live.clients.drain(Random(1), hurried=lambda: True)
        await on.shows("closed", code=1001, terminal=False)
        hub.live.clients._draining = False
        await on.is_lost_and_found()
        await on.shows("recovered", room=ALERTS)


async def test_a_reader_that_stops_loses_no_alert(hub: LiveHub, open_client: Open):
    """Many more than its queue holds: the one reads no more; the other breaks off, once, and goes on from the history when there is room."""
    breaks_off = open_client is not python_client
    async with bench(hub, open_client, queue_size=8, held_characters=20_000) as on:
        await on.client.order({"do": "stop_reading"})
        for number in range(1, 71):
            await on.alert(number)
        if breaks_off:
            await eventually(lambda: not len(hub.live.clients), seconds=30)
        await on.client.order({"do": "start_reading"})
        numbers, others = [], []
        while numbers[-1:] != [70]:
            event = (await on.client.says())["event"]
            if event["kind"] == "event":
                numbers.append(event["data"]["repeat"])
            else:
                others.append(event["kind"])
        assert numbers == list(range(1, 71))
        assert others == (["closed", "reconnected", "recovered"] if breaks_off else [])


async def test_a_token_that_is_about_to_end_is_refreshed_on_the_standing_connection(
    tmp_path, redis_server, open_client: Open
):
    async with running_hub(tmp_path, redis_server.url, expiring_seconds=600) as hub:
        ending = hub.token("viewer", hospitals=[HOSPITAL], ttl=timedelta(minutes=5), now=datetime.now(UTC))
        async with bench(hub, open_client, rooms=(), tokens=[ending, hub.token("viewer")]) as on:
            await on.shows("expiring")
            refreshed = await on.shows("refreshed")
            assert datetime.fromisoformat(refreshed["expires"]) > datetime.now(UTC) + timedelta(minutes=30)
            await on.client.order({"do": "subscribe", "rooms": [ALERTS]})
            await on.shows("subscribed")
            await on.alert(1)
            await on.shows_alert(1)


async def test_a_token_that_is_taken_back_is_followed_by_the_next_and_nothing_is_missed(
    hub: LiveHub, open_client: Open
):
    tokens = [hub.token("viewer"), hub.token("viewer")]
    async with bench(hub, open_client, tokens=tokens) as on:
        taken_back = {"token_id": claims_of(tokens[0])["jti"]}
        await hub.http.post("/auth/revocations", json=taken_back, headers=hub.headers("admin"))
        await on.shows("closed", code=4501, terminal=False)
        await on.alert(1)
        await on.shows("reconnected")
        await on.shows("recovered", room=ALERTS)
        await on.shows_alert(1)


async def test_a_user_whose_tokens_are_taken_back_is_out(hub: LiveHub, open_client: Open):
    async with bench(hub, open_client) as on:
        answer = await hub.http.post(
            "/auth/revocations", json={"subject": "viewer", "reason": "left"}, headers=hub.headers("admin")
        )
        assert answer.status_code < 300, answer.text
        await on.shows("closed", code=4501, terminal=False)
        await on.shows("closed", code=4501, terminal=True)
        assert_has(await on.client.says(), {"ended": "ConnectionEnded", "code": 4501})


async def test_tokens_that_are_not_believed_are_the_end(hub: LiveHub, open_client: Open):
    settings = {"tokens": ["nonsense", "more-nonsense"], "timings": TIMINGS, "rooms": [ALERTS]}
    async with (
        line(hub.settings.port) as between,
        open_client({"url": between.url, **settings}) as client,
    ):
        on = Bench(hub=hub, line=between, client=client)
        await on.shows("closed", code=401, terminal=False)
        await on.shows("closed", code=401, terminal=True)
        assert_has(await client.says(), {"ended": "ConnectionEnded", "code": 401})


async def test_a_room_that_may_not_be_had_is_denied(hub: LiveHub, open_client: Open):
    async with bench(hub, open_client, rooms=()) as on:
        await on.client.order({"do": "subscribe", "rooms": ["admin:updates", ALERTS]})
        assert {(await on.client.says())["event"]["kind"] for _ in range(2)} == {"denied", "subscribed"}
