"""The hub's application: opens the record, the rooms and ingest, and serves the live side and REST over them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from random import SystemRandom

from fastapi import FastAPI

import hub.realtime.routes
import hub.rest.beds
import hub.rest.devices
import hub.rest.health
import hub.rest.intake
import hub.rest.metrics
import hub.rest.operations
import hub.rest.presence
import hub.rest.realtime
import hub.rest.snapshots
from hub.auth.gate import Gate
from hub.auth.tokens import TokenVerifier, load_secret
from hub.errors import HubError
from hub.metrics.lag import DeliveryLag
from hub.realtime.clients import Clients
from hub.realtime.events import RealtimeEvents
from hub.realtime.frames import Frame
from hub.realtime.live import Live
from hub.realtime.shared import open_shared
from hub.rest import problems
from hub.rest.components import Components
from hub.rooms.feed import Feed
from hub.rooms.rooms import Rooms
from hub.settings import HubSettings
from hub.tasks import vital

OpenComponents = Callable[[HubSettings, Rooms], AbstractAsyncContextManager[Components]]


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return secrets.token_hex(12)


def create_app(settings: HubSettings, open_components: OpenComponents) -> FastAPI:
    """The application. Raises ConfigurationError for a secret that can't be used."""
    verifier = TokenVerifier(
        load_secret(settings.auth.secret_file),
        issuer=settings.auth.issuer,
        audience=settings.auth.audience,
        max_bytes=settings.limits.token_bytes,
    )

    lag = DeliveryLag(utc_now)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        rooms = Rooms.connect(settings.rooms_redis, settings.limits)
        try:
            async with open_components(settings, rooms) as components:
                live = _live(settings, verifier, rooms, components, lag)
                app.state.live, app.state.components = live, components
                app.state.realtime_events = _realtime_events(settings, components)
                tasks = [
                    vital(live.feed.run(), name="live-feed"),
                    vital(live.clients.run(), name="clients-watch"),
                    *(vital(work, name=name) for name, work in live.shared.tasks().items()),
                ]
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    await live.shared.farewell()
        except HubError as error:
            app.state.failure = error
            raise
        finally:
            await rooms.close()

    app = FastAPI(title="Bedside", version=version("bedside"), lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    app.state.metrics_token = _metrics_token(settings)
    app.state.delivery_lag = lag
    problems.install(app)
    for module in (
        hub.realtime.routes,
        hub.rest.realtime,
        hub.rest.presence,
        hub.rest.devices,
        hub.rest.operations,
        hub.rest.beds,
        hub.rest.snapshots,
        hub.rest.intake,
        hub.rest.health,
        hub.rest.metrics,
    ):
        app.include_router(module.router)
    return app


def _live(
    settings: HubSettings, verifier: TokenVerifier, rooms: Rooms, components: Components, lag: DeliveryLag
) -> Live:
    node = secrets.token_hex(8)
    latest = components.latest
    feed: Feed[Frame] = Feed(rooms, settings.limits, latest, frame=lag.frame, node=node, random=SystemRandom())
    clients = Clients(settings.limits, now=utc_now)
    return Live(
        verifier=verifier,
        gate=Gate(components.registry),
        rooms=rooms,
        feed=feed,
        clients=clients,
        shared=open_shared(rooms, clients, settings.limits, node=node, random=SystemRandom()),
        limits=settings.limits,
        query_tokens=settings.query_tokens,
        now=utc_now,
        new_id=new_id,
        ingest_alive=components.ingest_alive,
        judged_at=components.judged_at,
    )


def _metrics_token(settings: HubSettings) -> bytes | None:
    token_file = settings.metrics.token_file
    return None if token_file is None else load_secret(token_file, "metrics.token_file")


def _realtime_events(settings: HubSettings, components: Components) -> RealtimeEvents:
    return RealtimeEvents(
        components.registry,
        components.inbox,
        now=utc_now,
        new_id=new_id,
        wait_seconds=settings.limits.request_seconds,
    )


async def drain(app: FastAPI, *, hurried: Callable[[], bool]) -> None:
    """Ask every client to reconnect elsewhere, spread over `limits.drain_seconds`; no one comes in after."""
    live: Live | None = getattr(app.state, "live", None)
    if live is not None:
        await live.clients.drain(SystemRandom(), hurried=hurried)
