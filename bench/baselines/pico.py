"""picows: `transport.send` to each client, on uvloop as the hub.

Run as `python -m bench.baselines.pico PORT ORDERS_PORT`, until it is ended.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version

import uvloop
from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from bench.baselines.audience import Audience, obeyed

audience: Audience[WSTransport] = Audience()


class Client(WSListener):  # type: ignore[misc]  # picows is not where types are checked
    """Counts itself in and out."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        audience.enter(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        audience.leave(transport)


async def send(messages: Sequence[bytes]) -> None:
    for message in messages:
        for transport in audience.outlets:
            transport.send(WSMsgType.TEXT, message)


def _listener(request: WSUpgradeRequest) -> Client:
    return Client()


async def main(port: int, orders_port: int) -> None:
    """Serve for ever."""
    server = await ws_create_server(_listener, "127.0.0.1", port, backlog=2048)
    name = f"picows {version('picows')}"
    async with server, await obeyed(orders_port, name, audience, send):
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
