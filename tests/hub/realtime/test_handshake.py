"""Who is let in, and how: decided before the upgrade, and never with fewer rights than asked for."""

import pytest
import websockets

from tests.hub.realtime.sockets import refused
from tests.support.hub import HOSPITAL, OTHER_HOSPITAL, PATIENT, LiveHub, receive, running_hub


@pytest.mark.parametrize(
    "path", ["/realtime/ws", f"/realtime/ws/patient/{PATIENT}", f"/realtime/ws/hospital/{HOSPITAL}"]
)
async def test_without_a_token_the_handshake_is_refused_401(hub: LiveHub, path: str):
    status, body = await refused(hub, path)
    assert (status, body["status"], body["title"]) == (401, 401, "Not authenticated")


@pytest.mark.parametrize(
    ("scope", "path", "expected"),
    [
        ({"hospitals": [OTHER_HOSPITAL]}, f"/realtime/ws/patient/{PATIENT}", 403),
        ({"hospitals": [HOSPITAL]}, "/realtime/ws/patient/nobody", 404),
        ({"patients": [PATIENT]}, "/realtime/ws/patient/nobody", 403),
        ({"hospitals": [HOSPITAL]}, "/realtime/ws/hospital/nothing", 403),
        ({"hospitals": [HOSPITAL, "gone"]}, "/realtime/ws/hospital/gone", 404),
        ({"patients": [PATIENT]}, f"/realtime/ws/hospital/{HOSPITAL}", 403),
        ({"hospitals": [HOSPITAL]}, "/realtime/ws/device/toaster/t1", 404),
        ({"hospitals": [HOSPITAL]}, "/realtime/ws/patient/a%20b", 404),
    ],
)
async def test_what_may_not_be_seen_is_refused_before_the_upgrade(hub: LiveHub, scope: dict, path: str, expected: int):
    headers = {"Authorization": f"Bearer {hub.token(**scope)}"}
    status, body = await refused(hub, path, additional_headers=headers)
    assert (status, body["status"]) == (expected, expected)


async def test_a_token_in_the_address_is_taken(hub: LiveHub):
    async with websockets.connect(hub.url(f"/realtime/ws/patient/{PATIENT}?token={hub.token()}")) as client:
        assert (await receive(client))["status"] == "subscribed"


async def test_production_settings_refuse_a_token_in_the_address(tmp_path, redis_server):
    async with running_hub(tmp_path, redis_server.url, production=True) as hub:
        status, body = await refused(hub, f"/realtime/ws?token={hub.token()}")
    assert status == 401
    assert "Authorization" in body["detail"]


async def test_a_token_as_subprotocol_is_taken_and_only_bearer_is_answered(hub: LiveHub):
    async with websockets.connect(hub.url("/realtime/ws"), subprotocols=["bearer", hub.token()]) as client:
        assert client.subprotocol == "bearer"


async def test_a_bad_header_is_never_made_good_by_the_address(hub: LiveHub):
    """Never a fall-back: the first credential that is there decides."""
    headers = {"Authorization": "Bearer nonsense"}
    status, _ = await refused(hub, f"/realtime/ws?token={hub.token()}", additional_headers=headers)
    assert status == 401
