"""The hub's application: opens the record, the rooms and ingest, and serves the live side and REST over them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from random import SystemRandom
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import hub.realtime.routes
import hub.rest.asyncapi
import hub.rest.beds
import hub.rest.break_glass
import hub.rest.devices
import hub.rest.health
import hub.rest.intake
import hub.rest.metrics
import hub.rest.operations
import hub.rest.presence
import hub.rest.realtime
import hub.rest.revocations
import hub.rest.sessions
import hub.rest.snapshots
from hub.auth.access import Access
from hub.auth.assembly import Verification, verification_of
from hub.auth.doorkeeper import Doorkeeper
from hub.auth.gate import Gate
from hub.auth.origins import Origins
from hub.auth.tokens import load_secret
from hub.errors import HubError
from hub.metrics.lag import DeliveryLag
from hub.realtime.clients import Clients
from hub.realtime.doorway import Doorway
from hub.realtime.events import RealtimeEvents
from hub.realtime.frames import Frame
from hub.realtime.live import Live
from hub.realtime.oversight import Oversight
from hub.realtime.shared import open_shared
from hub.rest import problems
from hub.rest.components import Components
from hub.rooms.credentials import CredentialStore, name_of
from hub.rooms.feed import Feed
from hub.rooms.rooms import Rooms
from hub.settings import HubSettings
from hub.tasks import vital

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HEADERS: Final = ("authorization", "content-type", "idempotency-key", "last-event-id")
"""What pages of listed origins may send."""
OpenComponents = Callable[[HubSettings, Rooms], AbstractAsyncContextManager[Components]]


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return secrets.token_hex(12)


def create_app(settings: HubSettings, open_components: OpenComponents) -> FastAPI:
    """The application. Raises ConfigurationError for a secret that can't be used, or where no token could be believed."""
    verification = verification_of(settings, SystemRandom())

    lag = DeliveryLag(utc_now)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        rooms = Rooms.connect(settings.rooms_redis, settings.limits)
        try:
            async with open_components(settings, rooms) as components:
                access = Access(components.access, now=utc_now)
                await access.load()
                live = _live(settings, verification, access, rooms, components, lag)
                app.state.live, app.state.components = live, components
                app.state.realtime_events = _realtime_events(settings, components)
                tasks = [
                    vital(live.feed.run(), name="live-feed"),
                    vital(live.clients.run(), name="clients-watch"),
                    *(vital(work, name=name) for name, work in live.shared.tasks().items()),
                    vital(live.oversight.run(), name="oversight"),
                ]
                if verification.published is not None:
                    tasks.append(vital(verification.published.run(), name="token-keys"))
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
    app.state.arriving = {}  # connections whose request has not come yet: HttpWire's
    app.state.metrics_token = _metrics_token(settings)
    app.state.delivery_lag = lag
    app.state.published_keys = verification.published
    app.add_middleware(Doorway)
    if settings.auth.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.auth.origins, allow_methods=_METHODS, allow_headers=_HEADERS
        )
    problems.install(app)
    for module in (
        hub.realtime.routes,
        hub.rest.realtime,
        hub.rest.asyncapi,
        hub.rest.presence,
        hub.rest.sessions,
        hub.rest.revocations,
        hub.rest.break_glass,
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
    settings: HubSettings,
    verification: Verification,
    access: Access,
    rooms: Rooms,
    components: Components,
    lag: DeliveryLag,
) -> Live:
    node = secrets.token_hex(8)
    latest = components.latest
    feed: Feed[Frame] = Feed(rooms, settings.limits, latest, frame=lag.frame, node=node, random=SystemRandom())
    gate, clients = Gate(components.registry), Clients(settings.limits, now=utc_now)
    return Live(
        doorkeeper=_doorkeeper(settings, verification, access, rooms),
        gate=gate,
        rooms=rooms,
        feed=feed,
        clients=clients,
        shared=open_shared(rooms, clients, settings.limits, node=node, random=SystemRandom()),
        oversight=Oversight(access, gate, clients, feed, settings.limits),
        limits=settings.limits,
        now=utc_now,
        new_id=new_id,
        ingest_alive=components.ingest_alive,
        judged_at=components.judged_at,
    )


def _metrics_token(settings: HubSettings) -> bytes | None:
    token_file = settings.metrics.token_file
    return None if token_file is None else load_secret(token_file, "metrics.token_file")


def _doorkeeper(settings: HubSettings, verification: Verification, access: Access, rooms: Rooms) -> Doorkeeper:
    return Doorkeeper(
        verification.verifier,
        verification.keys,
        access,
        CredentialStore(rooms),
        Origins(settings.auth.public_origin, settings.auth.origins),
        query_tokens=settings.query_tokens,
        limits=settings.limits,
        now=utc_now,
        session_name=name_of,
    )


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
