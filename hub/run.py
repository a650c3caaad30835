"""Runs the hub's application under uvicorn, until a signal ends it."""

import socket

import uvicorn
from fastapi import FastAPI

from hub.app import drain
from hub.realtime.wire import LiveProtocol
from hub.settings import HubSettings

DRAIN_SECONDS = 5


class Server(uvicorn.Server):
    """uvicorn's server, which asks live clients to leave before it waits for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            drain(app)
        await super().shutdown(sockets)


def server(app: FastAPI, settings: HubSettings) -> Server:
    """The server for an application; not started."""
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            ws=LiveProtocol,
            ws_max_size=settings.limits.message_bytes,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            log_config=None,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            lifespan="on",
        )
    )
