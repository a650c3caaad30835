"""Rights are the same through every door: each role in each scope, each room, over WebSocket, SSE and REST. No cell differs."""

import asyncio
import json

import pytest
import websockets

from hub.auth.tokens import Role
from tests.support.hub import CUFF, HOSPITAL, PATIENT, SPARE, LiveHub, receive
from tests.support.rights import ROOMS, SCOPES, H, P, W, allowed
from tests.support.sse import events

pytestmark = [pytest.mark.slow, pytest.mark.pure]

STREAMS = {
    f"/realtime/events/patient/{PATIENT}": {P, f"{P}:vitals", f"{P}:alerts"},
    f"/realtime/events/hospital/{HOSPITAL}": {H, f"{H}:alerts", f"{H}:devices"},
    f"/realtime/events/device/{str(CUFF).replace(':', '/')}": {f"device:{CUFF}", f"device:{CUFF}:status"},
    f"/realtime/events/device/{str(SPARE).replace(':', '/')}": {f"device:{SPARE}", f"device:{SPARE}:status"},
}
CELLS = [(role, scope) for role in Role for scope in SCOPES if scope != "all" or role is Role.ADMIN]


NEVER_GLOBAL = {f"{P}:waveforms", f"{W}:vitals"}
"""What the global stream leaves out: waveforms, and ward vitals, which come by the patients' rooms."""


def token_of(hub: LiveHub, role: Role, scope: str) -> str:
    return hub.token(role, **(SCOPES[scope] or {"hospitals": []}))


async def test_over_websocket_and_rest_a_role_watches_what_the_contract_says(hub: LiveHub):
    mismatches = []
    for role, scope in CELLS:
        token = token_of(hub, role, scope)
        wanted = allowed(role, "watch", scope)
        headers = {"Authorization": f"Bearer {token}"}
        async with hub.connect("/realtime/ws", token=token) as client:
            await client.send(json.dumps({"type": "subscribe", "rooms": ROOMS}))
            answers = [await receive(client, until="subscription") for _ in ROOMS]
        opened = {answer["room"] for answer in answers if answer["status"] == "subscribed"}
        mismatches += [("ws", role, scope, room) for room in opened ^ wanted]
        asked = [hub.http.get(f"/realtime/history/{room}", headers=headers) for room in ROOMS]
        seen = dict(zip(ROOMS, [answer.status_code for answer in await asyncio.gather(*asked)], strict=True))
        history = {room: 422 if room.endswith(":waveforms") else 200 for room in ROOMS}  # waveforms have none
        expected = {room: history[room] if room in wanted else 403 for room in ROOMS}
        mismatches += [("rest", role, scope, room) for room in ROOMS if seen[room] != expected[room]]
    assert mismatches == []


async def test_over_sse_a_role_watches_what_the_contract_says(hub: LiveHub):
    mismatches = []
    for role, scope in CELLS:
        wanted = allowed(role, "watch", scope)
        headers = {"Authorization": f"Bearer {token_of(hub, role, scope)}"}
        for path, rooms in STREAMS.items():
            status = await status_of(hub, path, headers)
            mismatches += [(path, role, scope, status)] if status != (200 if rooms <= wanted else 403) else []
        async with events(hub.http, "/realtime/events", headers) as stream:
            opened = set((await stream.next()).data["rooms"]) & set(ROOMS)
        mismatches += [("global", role, scope, room) for room in opened ^ (wanted - NEVER_GLOBAL)]
    assert mismatches == []


async def test_over_a_websocket_of_its_own_a_subject_is_open_as_over_sse(hub: LiveHub):
    mismatches = []
    for role, scope in CELLS:
        for path, rooms in STREAMS.items():
            expected = rooms <= allowed(role, "watch", scope)
            opened = await opens(hub, path.replace("/events/", "/ws/"), token_of(hub, role, scope))
            mismatches += [(path, role, scope)] if opened != expected else []
    assert mismatches == []


async def status_of(hub: LiveHub, path: str, headers: dict[str, str]) -> int:
    async with hub.http.stream("GET", path, headers=headers) as answer:
        return answer.status_code


async def opens(hub: LiveHub, path: str, token: str) -> bool:
    try:
        async with hub.connect(path, token=token):
            return True
    except websockets.InvalidStatus as refusal:
        return refusal.response.status_code != 403
