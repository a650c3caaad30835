"""What tests say to a WebSocket, and how they see it end."""

import asyncio
import json

import pytest
import websockets

from tests.support.hub import WAIT_SECONDS, LiveHub, receive


async def send(client: websockets.ClientConnection, **message: object) -> None:
    await client.send(json.dumps(message))


async def ask(client: websockets.ClientConnection, **message: object) -> dict:
    await send(client, **message)
    return await receive(client)


async def closed(client: websockets.ClientConnection) -> websockets.ConnectionClosed:
    """How the connection ended."""
    async with asyncio.timeout(WAIT_SECONDS):
        try:
            while True:
                await client.recv()
        except websockets.ConnectionClosed as end:
            return end


async def refused(hub: LiveHub, path: str, **options: object) -> tuple[int, dict]:
    """Status and JSON body with which a handshake was refused."""
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with websockets.connect(hub.url(path), compression=None, **options):
            pytest.fail("the handshake was accepted")
    response = refusal.value.response
    return response.status_code, json.loads(response.body)
