"""In front of every endpoint: who is calling is found out once a request, here, where Redis or an identity provider may be waited for.

The endpoints ask with `Live.authenticate`, which raises what was found out; so a ticket is used up once, however often they ask.
"""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.errors import HubError

IDENTITY: Final = "bedside.identity"


class Doorway:
    """ASGI middleware. The connection's `scope` then holds Claims, or the HubError that refuses it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            try:
                scope[IDENTITY] = await scope["app"].state.live.doorkeeper.identify(HTTPConnection(scope))
            except HubError as error:
                scope[IDENTITY] = error
        await self._app(scope, receive, send)
