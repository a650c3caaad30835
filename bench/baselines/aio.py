"""aiohttp: `send_str` to each client, no compression, on uvloop as the hub.

Run as `python -m bench.baselines.aio PORT ORDERS_PORT`, until it is ended.
"""

import sys
from collections.abc import Sequence

import aiohttp
import uvloop
from aiohttp import web

from bench.baselines.audience import Audience, obeyed

audience: Audience[web.WebSocketResponse] = Audience()


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Keep a client until it leaves."""
    client = web.WebSocketResponse(compress=False)
    await client.prepare(request)
    with audience.holds(client):
        async for _ in client:
            pass
    return client


async def send(messages: Sequence[bytes]) -> None:
    for message in messages:
        text = message.decode()
        for client in audience.outlets:
            await client.send_str(text)


async def main(port: int, orders_port: int) -> None:
    """Serve for ever."""
    app = web.Application()
    app.router.add_get("/ws", websocket)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=2048).start()
    async with await obeyed(orders_port, f"aiohttp {aiohttp.__version__}", audience, send) as orders:
        await orders.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
