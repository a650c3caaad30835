"""The guide's client examples, run as they are written there against the running road."""

import asyncio
import json
import os
import sys

import httpx
import pytest
import websockets

from tests.end_to_end import chromium, guide
from tests.end_to_end.road import Road

pytestmark = pytest.mark.slow

PATIENT = "507f1f77bcf86cd799439011"
STUBS = """
    window.vitals = []; window.alerts = [];
    window.updateVitalsDisplay = (data) => window.vitals.push(data);
    window.showAlert = (data) => window.alerts.push(data);
"""


@pytest.fixture
async def tab(road: Road, chromium_binary, tmp_path):
    """A Chromium tab whose page comes from the hub, so that the guide's relative addresses mean the hub."""
    async with chromium.page(str(chromium_binary), tmp_path) as page:
        await page.open(f"{road.hub}/health/live")
        await page.evaluate(STUBS)
        yield page


async def publish(road: Road, tester: str, **event: object) -> dict:
    """What the guide's curl example does."""
    async with httpx.AsyncClient(base_url=road.hub) as client:
        answer = await client.post("/realtime/test/publish", json=event, headers={"Authorization": f"Bearer {tester}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_python_client_prints_vitals_as_they_come(road: Road, tmp_path):
    script = tmp_path / "client.py"
    script.write_text(guide.aimed_at(guide.code_under("Python WebSocket Client"), hub=road.hub, token=road.token))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(script), stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"Connected to patient WebSocket\n"
        line = (await process.stdout.readline()).decode()
    process.kill()
    await process.wait()
    assert line.startswith("Vitals updated: {'patient_id': '507f1f77bcf86cd799439011'")


async def test_the_javascript_websocket_client_shows_vitals(road: Road, tab: chromium.Page):
    await tab.evaluate(guide.aimed_at(guide.code_under("JavaScript WebSocket Client"), hub=road.hub, token=road.token))
    await tab.wait_for("window.vitals.length > 0")
    shown = await tab.evaluate("window.vitals[0]")
    assert shown["patient_id"] == PATIENT
    assert "Connected to WebSocket" in tab.console
    assert any(line.startswith("Subscription status:") for line in tab.console)


async def test_the_javascript_sse_client_shows_vitals_with_the_token_in_the_address(road: Road, tab: chromium.Page):
    """As written, save that browsers send no headers for an EventSource: the token stands in the address."""
    code = guide.aimed_at(guide.code_under("JavaScript SSE Client"), hub=road.hub, token=road.token)
    code = code.replace(f"/realtime/events/patient/{PATIENT}`", f"/realtime/events/patient/{PATIENT}?token=${{token}}`")
    await tab.evaluate(code)
    await tab.wait_for("window.vitals.length > 0")
    assert (await tab.evaluate("window.vitals[0]"))["patient_id"] == PATIENT
    assert any(line.startswith("Connected to SSE:") for line in tab.console)


async def test_a_fetch_based_client_sends_the_guides_header(road: Road, tab: chromium.Page):
    await tab.evaluate(f"""
        (async () => {{
            const answer = await fetch('/realtime/events/patient/{PATIENT}',
                                       {{headers: {{'Authorization': 'Bearer {road.token}'}}}});
            window.status = answer.status;
            const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
            let text = '';
            while (!window.heard) {{
                text += (await reader.read()).value;
                window.heard = text.includes('event: connected') && text.includes('event: patient.vitals.update');
            }}
        }})(); 0""")
    assert await tab.wait_for("window.heard")
    assert await tab.evaluate("window.status") == "200"


async def test_the_guides_test_publish_reaches_the_guides_clients(road: Road, tester_token: str):
    body = json.loads(guide.code_under("1. Test Event Publishing").split("-d '")[1].rsplit("'", 1)[0])
    async with websockets.connect(f"{road.live}/ws/patient/{PATIENT}?token={road.token}") as socket:
        for _ in range(3):
            assert json.loads(await socket.recv())["type"] == "subscription"
        answer = await publish(road, tester_token, **body)
        async with asyncio.timeout(20):
            while not (message := json.loads(await socket.recv())).get("test"):
                pass
    assert message["type"] == "vitals_update"
    assert message["event_id"] == answer["data"]["event_id"]
    assert message["data"] | body["vitals"] == message["data"]


async def test_statistics_have_the_guides_shape(road: Road):
    async with websockets.connect(f"{road.live}/ws/patient/{PATIENT}?token={road.token}") as socket:
        assert json.loads(await socket.recv())["status"] == "subscribed"
        async with httpx.AsyncClient(base_url=road.hub, headers=road.headers) as client:
            answer = (await client.get("/realtime/stats")).json()
    assert answer["success"] is True
    assert set(answer["data"]) == {
        "total_connections",
        "unique_users",
        "active_rooms",
        "connections_by_room",
        "connections_by_user",
    }
    assert answer["data"]["connections_by_room"][f"patient:{PATIENT}"] >= 1
    assert answer["timestamp"].endswith("Z")
