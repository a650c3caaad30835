"""A hub in production settings that believes a hospital's own provider and nothing else, as the how-to sets it up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from bedside.services.redis import Redis
from hub.auth.settings import ClaimPaths, JwksSettings
from hub.auth.tokens import Role
from tests.support.hub import HOSPITAL, PATIENT, LiveHub, receive, running_hub
from tests.support.identity_provider import ISSUER, IdentityProvider, SigningKey
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.pure]

WAIT_SECONDS = 30
HISTORY = f"/realtime/history/patient:{PATIENT}"
OLD, NEW = SigningKey("old"), SigningKey("new", "ES256")
NURSE: dict[str, Any] = {
    "preferred_username": "nurse1",
    "aud": ["account", "bedside"],
    "roles": None,
    "realm_access": {"roles": ["offline_access", "ward-nurse"]},
    "bedside": {"wards": [f"{HOSPITAL}:w1"]},
}


@contextlib.asynccontextmanager
async def hospital(folder: Path, redis: Redis, provider: IdentityProvider, **jwks: Any) -> AsyncIterator[LiveHub]:
    auth = {
        "shared_secret": None,
        "issuer": ISSUER,
        "lone_audience": False,
        "jwks": JwksSettings(url=provider.url, ca_file=provider.ca_file, **jwks),
        "claims": ClaimPaths(sub="preferred_username", roles="realm_access.roles", wards="bedside.wards"),
        "roles": {"ward-nurse": Role.CLINICIAN},
    }
    async with running_hub(folder, redis.url, production=True, auth=auth) as hub:
        yield hub


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status(hub: LiveHub, token: str) -> int:
    return (await hub.http.get(HISTORY, headers=bearing(token))).status_code


async def test_a_nurse_logs_in_with_the_hospitals_token_and_a_shared_secret_opens_nothing(
    tmp_path, redis_server: Redis
):
    with IdentityProvider(tmp_path).running() as provider:
        provider.keys = [OLD]
        async with hospital(tmp_path, redis_server, provider) as hub:

            async def believed() -> bool:
                return await status(hub, OLD.token(**NURSE)) == 200

            await eventually(believed, seconds=WAIT_SECONDS)
            address = hub.url(f"/realtime/ws/patient/{PATIENT}")
            async with websockets.connect(address, additional_headers=bearing(OLD.token(**NURSE))) as client:
                assert (await receive(client))["status"] == "subscribed"
            assert await status(hub, hub.token("admin", issuer=ISSUER)) == 401
            assert await status(hub, OLD.token(**NURSE | {"realm_access": {"roles": ["clinician", "admin"]}})) == 401
            assert await status(hub, OLD.token(**NURSE | {"bedside": {"wards": [f"{HOSPITAL}:w9"]}})) == 403


async def test_a_rotation_ends_nobody_who_is_connected_and_lets_the_new_key_in(tmp_path, redis_server: Redis):
    with IdentityProvider(tmp_path).running() as provider:
        provider.keys = [OLD]
        async with hospital(tmp_path, redis_server, provider, refresh_seconds=0.2) as hub:

            async def believed() -> bool:
                return await status(hub, OLD.token(**NURSE)) == 200

            await eventually(believed, seconds=WAIT_SECONDS)
            async with websockets.connect(
                hub.url("/realtime/ws"), additional_headers=bearing(OLD.token(**NURSE))
            ) as client:
                provider.keys = [NEW]

                async def rotated() -> bool:
                    seen = [await status(hub, key.token(**NURSE)) for key in (OLD, NEW)]
                    return seen == [401, 200]

                await eventually(rotated, seconds=WAIT_SECONDS)
                await client.send('{"type": "ping"}')
                assert (await receive(client))["type"] == "pong"


async def test_without_its_keys_a_hub_is_not_ready_and_says_so(tmp_path, redis_server: Redis):
    """Tokens get 503, not 401: it isn't the token's fault, and nobody is to throw theirs away."""
    with IdentityProvider(tmp_path).running() as provider:
        provider.status = 500
        async with hospital(tmp_path, redis_server, provider) as hub:
            answer = await hub.http.get("/health/ready")
            assert (answer.status_code, answer.json()["checks"]["token_keys"]) == (503, "KeysUnavailable")
            assert await status(hub, OLD.token(**NURSE)) == 503
            provider.status, provider.keys = 200, [OLD]

            async def is_ready() -> bool:
                return (await hub.http.get("/health/ready")).status_code == 200

            await eventually(is_ready, seconds=WAIT_SECONDS)
            assert await status(hub, OLD.token(**NURSE)) == 200


async def test_while_the_provider_is_away_readiness_says_how_old_the_keys_are_and_stays(tmp_path, redis_server: Redis):
    with IdentityProvider(tmp_path).running() as provider:
        provider.keys = [OLD]
        async with hospital(tmp_path, redis_server, provider, refresh_seconds=0.1) as hub:

            async def is_ready() -> bool:
                return (await hub.http.get("/health/ready")).status_code == 200

            await eventually(is_ready, seconds=WAIT_SECONDS)
            provider.status = 500

            async def noted() -> Any:
                answer = await hub.http.get("/health/ready")
                assert answer.status_code == 200
                return answer.json().get("notes")

            assert "s old" in (await eventually(noted, seconds=WAIT_SECONDS))["token_keys"]
            assert await asyncio.wait_for(status(hub, OLD.token(**NURSE)), WAIT_SECONDS) == 200
