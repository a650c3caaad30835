"""How browsers come in: tickets, sessions behind a cookie, and only from pages that are let in. The first credential decides."""

import asyncio
import json

import pytest
import websockets

from tests.hub.realtime.sockets import closed, refused
from tests.support.hub import HOSPITAL, PATIENT, LiveHub, receive, running_hub
from tests.support.sse import events
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.pure]

STREAM = f"/realtime/events/patient/{PATIENT}"
HISTORY = f"/realtime/history/patient:{PATIENT}"
EVIL = "https://evil.example"


def own(hub: LiveHub) -> str:
    return f"http://127.0.0.1:{hub.settings.port}"


async def ticket(hub: LiveHub, **scope: object) -> str:
    answer = await hub.http.post("/realtime/ticket", headers=hub.headers(**scope))
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["data"]["ticket"]


async def session(hub: LiveHub, **scope: object) -> dict[str, str]:
    """The header with which a browser would send the session's cookie."""
    answer = await hub.http.post("/realtime/session", headers=hub.headers(**scope))
    assert answer.status_code == 200, answer.text
    hub.http.cookies.clear()
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


class TestTickets:
    async def test_a_ticket_opens_one_websocket_with_the_callers_rights(self, hub: LiveHub):
        taken = await ticket(hub, patients=[PATIENT])
        async with websockets.connect(hub.url(f"/realtime/ws/patient/{PATIENT}?ticket={taken}")) as client:
            assert (await receive(client))["status"] == "subscribed"
            status, body = await refused(hub, f"/realtime/ws?ticket={taken}")
        assert (status, "used already" in body["detail"]) == (401, True)
        other = await ticket(hub, patients=["p2"])
        assert (await refused(hub, f"/realtime/ws/patient/{PATIENT}?ticket={other}"))[0] == 403

    async def test_a_ticket_opens_one_stream(self, hub: LiveHub):
        taken = await ticket(hub)
        async with events(hub.http, f"{STREAM}?ticket={taken}", {}) as stream:
            assert (await stream.next()).name == "connected"
            assert (await hub.http.get(f"{STREAM}?ticket={taken}")).status_code == 401

    async def test_of_many_who_bring_one_ticket_at_once_one_comes_in(self, hub: LiveHub):
        taken = await ticket(hub)

        async def enters() -> bool:
            try:
                async with websockets.connect(hub.url(f"/realtime/ws?ticket={taken}")):
                    return True
            except websockets.InvalidStatus:
                return False

        assert sorted(await asyncio.gather(*(enters() for _ in range(8)))) == [False] * 7 + [True]

    async def test_a_ticket_is_good_for_its_time_alone(self, tmp_path, redis_server):
        async with running_hub(tmp_path, redis_server.url, ticket_seconds=0.05) as hub:
            taken = await ticket(hub)
            client = hub.live.rooms.client

            async def gone() -> bool:
                return not [key async for key in client.scan_iter("bedside:credential:*")]

            await eventually(gone, seconds=30)
            assert (await refused(hub, f"/realtime/ws?ticket={taken}"))[0] == 401

    async def test_a_ticket_is_no_credential_for_rest_nor_a_token(self, hub: LiveHub):
        taken = await ticket(hub)
        assert (await hub.http.get(f"{HISTORY}?ticket={taken}")).status_code == 401
        assert (await hub.http.get(HISTORY, headers={"Authorization": f"Bearer {taken}"})).status_code == 401

    async def test_redis_holds_nothing_with_which_one_could_come_in(self, hub: LiveHub):
        secrets = [await ticket(hub), (await session(hub))["Cookie"].partition("=")[2]]
        client = hub.live.rooms.client
        keys = [key async for key in client.scan_iter("bedside:credential:*")]
        kept = b" ".join([*keys, *[await client.get(key) for key in keys]]).decode()
        assert len(keys) == 2
        assert not any(secret in kept for secret in secrets)


class TestSessions:
    async def test_the_cookie_is_for_the_hub_alone_and_ends_with_the_token(self, hub: LiveHub):
        answer = await hub.http.post("/realtime/session", headers=hub.headers())
        parts = {part.strip().partition("=")[0].lower() for part in answer.headers["set-cookie"].split(";")}
        assert {"bedside-session", "httponly", "samesite", "path", "max-age"} <= parts
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert "Domain" not in answer.headers["set-cookie"]

    async def test_over_https_the_cookie_is_secure_and_bound_to_its_host(self, tmp_path, redis_server):
        public = "https://bedside.hospital.example"
        async with running_hub(tmp_path, redis_server.url, auth={"public_origin": public}) as hub:
            cookie = await session(hub)
            answer = await hub.http.post("/realtime/session", headers=hub.headers())
            assert answer.headers["set-cookie"].startswith("__Host-bedside-session=")
            assert "Secure" in answer.headers["set-cookie"]
            assert (await hub.http.get(HISTORY, headers=cookie | {"Origin": public})).status_code == 200
            assert (await hub.http.get(HISTORY, headers=cookie | {"Origin": own(hub)})).status_code == 403

    async def test_a_page_of_the_hub_opens_a_websocket_with_it(self, hub: LiveHub):
        cookie = await session(hub)
        async with websockets.connect(hub.url("/realtime/ws"), additional_headers=cookie, origin=own(hub)) as client:
            await client.send('{"type": "ping"}')
            assert (await receive(client))["type"] == "pong"

    @pytest.mark.parametrize("origin", [None, EVIL, "null", "https://127.0.0.1"])
    async def test_without_the_exact_origin_a_handshake_with_the_cookie_is_refused(self, hub: LiveHub, origin):
        status, _ = await refused(hub, "/realtime/ws", additional_headers=await session(hub), origin=origin)
        assert status == 403

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "none"}, 403),
            ({}, 403),
            ({"Origin": EVIL, "Sec-Fetch-Site": "same-origin"}, 403),
        ],
    )
    async def test_reading_with_the_cookie_is_for_pages_of_the_hub(self, hub: LiveHub, said: dict, expected: int):
        cookie = await session(hub)
        assert (await hub.http.get(HISTORY, headers=cookie | said)).status_code == expected
        async with hub.http.stream("GET", STREAM, headers=cookie | said) as answer:
            assert answer.status_code == expected

    async def test_writing_with_the_cookie_needs_the_exact_origin(self, hub: LiveHub):
        """Cross-site request forgery: Sec-Fetch-Site alone does not let a POST in."""
        cookie = await session(hub, role="tester")
        event = {"event_type": "patient.vitals.update", "patient_id": PATIENT, "vitals": {"spo2": 97}}
        answers = [
            (await hub.http.post("/realtime/test/publish", json=event, headers=cookie | said)).status_code
            for said in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": EVIL}, {"Origin": own(hub)})
        ]
        assert answers == [403, 403, 403, 200]

    async def test_the_end_of_a_session_ends_what_was_opened_with_it_and_nothing_else(self, hub: LiveHub):
        cookie = await session(hub)
        page = {"Origin": own(hub)}
        async with (
            websockets.connect(hub.url("/realtime/ws"), additional_headers=cookie, origin=own(hub)) as client,
            hub.connect("/realtime/ws") as other,
        ):
            await client.send(json.dumps({"type": "refresh", "token": hub.token()}))
            assert (await receive(client))["type"] == "refreshed"
            ended = await hub.http.delete("/realtime/session", headers=cookie | page)
            assert 'bedside-session=""' in ended.headers["set-cookie"]
            assert (await closed(client)).rcvd.code == 4501
            await other.send('{"type": "ping"}')
            assert (await receive(other))["type"] == "pong"
        again = await hub.http.get(HISTORY, headers=cookie | page)
        assert (again.status_code, "log in again" in again.json()["detail"]) == (401, True)

    async def test_a_session_begins_with_a_token_only(self, hub: LiveHub):
        cookie = await session(hub)
        answer = await hub.http.post("/realtime/session", headers=cookie | {"Origin": own(hub)})
        assert answer.status_code == 401
        assert (await hub.http.delete("/realtime/session", headers=hub.headers())).status_code == 401


class TestOrder:
    """Never a fall-back: each credential that comes first decides, be there better ones behind it."""

    async def test_the_first_credential_decides(self, hub: LiveHub):
        good, bad = hub.token(), "nonsense"
        cookie = await session(hub)
        dead = {"Cookie": "bedside-session=nonsense"}
        page = own(hub)
        tried = [
            ({"additional_headers": {"Authorization": f"Bearer {bad}"}, "subprotocols": ["bearer", good]}, ""),
            ({"additional_headers": {"Authorization": "Basic x"}}, f"?token={good}"),
            ({"additional_headers": cookie, "subprotocols": ["bearer", bad], "origin": page}, ""),
            ({"additional_headers": dead, "origin": page}, f"?ticket={await ticket(hub)}"),
            ({"additional_headers": dead, "origin": page}, f"?token={good}"),
            ({}, f"?ticket=nonsense&token={good}"),
        ]
        answers = [(await refused(hub, f"/realtime/ws{query}", **options))[0] for options, query in tried]
        assert answers == [401] * len(tried)

    async def test_two_headers_are_none(self, hub: LiveHub):
        both = [("Authorization", f"Bearer {hub.token()}"), ("Authorization", f"Bearer {hub.token('admin')}")]
        assert (await hub.http.get(HISTORY, headers=both)).status_code == 401


class TestOrigins:
    async def test_a_page_of_a_strange_origin_is_refused_before_the_upgrade_whatever_its_token(self, hub: LiveHub):
        headers = hub.headers()
        status, body = await refused(hub, "/realtime/ws", additional_headers=headers, origin=EVIL)
        assert (status, "auth.origins" in body["detail"]) == (403, True)
        assert (await hub.http.get(HISTORY, headers=headers | {"Origin": EVIL})).status_code == 403

    async def test_a_listed_origin_is_let_in_with_a_token_but_never_with_the_cookie(self, tmp_path, redis_server):
        listed = "https://portal.hospital.example"
        async with running_hub(tmp_path, redis_server.url, auth={"origins": (listed,)}) as hub:
            async with websockets.connect(hub.url("/realtime/ws"), additional_headers=hub.headers(), origin=listed):
                pass
            answer = await hub.http.get(HISTORY, headers=hub.headers() | {"Origin": listed})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, listed)
            cookie = await session(hub)
            assert (await refused(hub, "/realtime/ws", additional_headers=cookie, origin=listed))[0] == 403

    async def test_a_program_that_is_no_browser_sends_no_origin(self, hub: LiveHub):
        async with hub.connect(f"/realtime/ws/hospital/{HOSPITAL}") as client:
            assert (await receive(client))["status"] == "subscribed"
