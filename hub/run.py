"""Runs the hub's application under uvicorn, until a signal ends it."""

import contextlib
import gc
import logging
import socket

import uvicorn
from fastapi import FastAPI

from hub import logs
from hub.app import create_app, drain
from hub.components import open_components
from hub.errors import ConfigurationError, HubError
from hub.realtime.wire import Handshake
from hub.rest.http_wire import HttpWire
from hub.settings import HubSettings

DRAIN_SECONDS = 5


class Server(uvicorn.Server):
    """uvicorn's server, which asks live clients to leave, one after the other, before it closes its doors and waits for them."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Also set aside what there is by now, which is the program itself and stays.

        The collector of garbage went through it again and again, and each time nobody was served for an eighth of a second.
        """
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            await drain(app, hurried=lambda: self.force_exit)
        await super().shutdown(sockets)


def server(app: FastAPI, settings: HubSettings) -> Server:
    """The server for an application; not started."""
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
            http=HttpWire,
            h11_max_incomplete_event_size=settings.limits.head_bytes,
            ws=Handshake,
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


def run(settings: HubSettings) -> None:
    """Serve until a signal ends it. Raises what kept the hub from starting: ConfigurationError, or Unavailable."""
    logs.configure(settings.logging)
    app = create_app(settings, open_components)
    logging.getLogger("uvicorn.error").addFilter(lambda record: not _repeats(app, record))
    serving = server(app, settings)
    with contextlib.suppress(SystemExit):  # how uvicorn ends where it can't start; why is said below
        serving.run()
    if (failure := _failure(app)) is not None:
        raise failure
    if not serving.started:
        raise ConfigurationError(f"port: {settings.host}:{settings.port} can't be used; is another hub running?")


def _failure(app: FastAPI) -> HubError | None:
    failure: HubError | None = getattr(app.state, "failure", None)
    return failure


def _repeats(app: FastAPI, record: logging.LogRecord) -> bool:
    """Whether it is the stack of a failure that was foreseen, and that `run` raises."""
    return _failure(app) is not None and "Traceback" in record.getMessage()
