"""No hostile token comes in by any door: WebSocket by header, subprotocol and address, SSE, REST, and `refresh` on an open connection."""

import json
import re
from pathlib import Path

import pytest
import websockets

from bedside.services.redis import Redis
from tests.support.hostile_tokens import GOOD, hostile, signed
from tests.support.hub import HOSPITAL, LiveHub, receive, running_hub

pytestmark = [pytest.mark.slow, pytest.mark.pure]

REST = f"/realtime/history/hospital:{HOSPITAL}"
SSE = f"/realtime/events/hospital/{HOSPITAL}"
WEBSOCKET = "/realtime/ws"
REFUSED = (401, 431)
"""Not believed, or longer than a header may be."""


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}".strip()}


def believed(hub: LiveHub) -> str:
    return signed(GOOD | {"hospitals": [HOSPITAL]}, secret=hub.secret)


async def opens(hub: LiveHub, path: str = WEBSOCKET, **options: object) -> bool:
    try:
        async with websockets.connect(hub.url(path), compression=None, **options):
            return True
    except websockets.InvalidStatus as refusal:
        return refusal.response.status_code not in REFUSED


async def answers(hub: LiveHub, path: str, token: str) -> bool:
    async with hub.http.stream("GET", path, headers=bearing(token)) as answer:
        assert answer.status_code in (200, *REFUSED), answer.status_code
        return answer.status_code == 200


async def test_no_hostile_token_opens_a_websocket(hub: LiveHub):
    tokens = hostile(hub.secret)
    accepted = [name for name, token in tokens.items() if await opens(hub, additional_headers=bearing(token))]
    assert (accepted, len(tokens) >= 40) == ([], True)
    assert await opens(hub, additional_headers=bearing(believed(hub)))


async def test_no_hostile_token_opens_a_websocket_as_subprotocol_or_in_the_address(hub: LiveHub):
    tokens = {name: token for name, token in hostile(hub.secret).items() if re.fullmatch(r"[\w.-]+", token)}
    accepted = [name for name, token in tokens.items() if await opens(hub, subprotocols=["bearer", token])]
    accepted += [name for name, token in tokens.items() if await opens(hub, f"{WEBSOCKET}?token={token}")]
    assert (accepted, len(tokens) >= 40) == ([], True)


async def test_no_hostile_token_opens_a_stream_or_is_answered_by_rest(hub: LiveHub):
    tokens = hostile(hub.secret)
    accepted = [
        (path, name) for path in (SSE, REST) for name, token in tokens.items() if await answers(hub, path, token)
    ]
    assert accepted == []
    assert [await answers(hub, path, believed(hub)) for path in (SSE, REST)] == [True, True]


async def test_no_hostile_token_refreshes_a_connection(tmp_path: Path, redis_server: Redis):
    async with (
        running_hub(tmp_path, redis_server.url, user_message_burst=1000) as hub,
        hub.connect(WEBSOCKET, token=believed(hub)) as client,
    ):
        tokens = hostile(hub.secret)
        for name, token in tokens.items():
            await client.send(json.dumps({"type": "refresh", "token": token}))
            answer = await receive(client)
            assert (answer["type"], answer["code"]) == ("error", "forbidden"), name
            await client.send('{"type": "ping"}')  # which counts as a good message
            assert (await receive(client))["type"] == "pong"
