"""Credentials for browsers, whose EventSource and WebSocket send no headers: single-use tickets, and a session behind a cookie.

A session is kept in Redis, under the hash of what the cookie holds: the cookie is short whatever the token's size, is worth nothing as a
token, and the session can be ended everywhere at once. Should Redis be lost, users log in again.
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from hub.auth.credentials import Source
from hub.auth.errors import Unauthenticated
from hub.rest.components import components_of, live_of, success
from hub.rooms.messages import rfc3339

router = APIRouter(prefix="/realtime")


@router.post("/ticket")
async def make_ticket(request: Request, response: Response) -> dict[str, Any]:
    """A ticket that opens one WebSocket or stream with the caller's rights: `?ticket=`."""
    live = live_of(request)
    ticket, seconds = await live.doorkeeper.ticket(live.authenticate(request))
    response.headers["cache-control"] = "no-store"
    return success(request, {"ticket": ticket, "expires_in": round(seconds)})


@router.post("/session")
async def begin_session(request: Request, response: Response) -> dict[str, Any]:
    """A session for the hub's own pages, in place of the token in `Authorization`; it ends when the token does."""
    live = live_of(request)
    claims = live.authenticate(request)
    if "authorization" not in request.headers:
        raise Unauthenticated(f"a session begins with a token, sent in the {Source.HEADER.value} Authorization: Bearer")
    doorkeeper = live.doorkeeper
    response.set_cookie(
        doorkeeper.cookie_name(request),
        await doorkeeper.begin_session(claims),
        max_age=max(1, round(claims.exp - live.now().timestamp())),
        secure=doorkeeper.origins.is_secure(request),
        httponly=True,
        samesite="strict",
    )
    response.headers["cache-control"] = "no-store"
    return success(request, {"expires": rfc3339(claims.expires)})


@router.delete("/session")
async def end_session(request: Request, response: Response) -> dict[str, Any]:
    """End the session, and every connection that was opened with it."""
    live = live_of(request)
    claims = live.authenticate(request)
    name = live.doorkeeper.cookie_name(request)
    if claims.session is None:
        raise Unauthenticated("there is no session here to end; it is the one of the cookie")
    await components_of(request).access.end_session(claims.session)
    await live.doorkeeper.end_session(request.cookies[name])
    await live.oversight.look_now()
    response.delete_cookie(name, secure=live.doorkeeper.origins.is_secure(request), httponly=True, samesite="strict")
    return success(request, {"ended": True})
