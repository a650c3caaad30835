"""Errors as problem documents (RFC 9457), from one table of our errors; for HTTP requests and refused handshakes alike."""

import logging
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.auth.errors import Forbidden, Unauthenticated
from hub.errors import Conflict, Fenced, HubError, Invalid, NotFound, Unavailable

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class TooLarge(HubError):
    """A request's body is larger than the limit."""


class WrongMediaType(HubError):
    """A request's body is said to be something else than JSON."""


class BrokenOff(HubError):
    """The client left, or fell silent, in the midst of its request."""


class TooMany(HubError):
    """A limit of the caller's is used up; there is room again after `retry_after_seconds`, where that is known."""

    def __init__(self, message: str, *, retry_after_seconds: float = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


TITLES: Final[Mapping[type[HubError], tuple[int, str]]] = MappingProxyType(
    {
        Unauthenticated: (401, "Not authenticated"),
        Forbidden: (403, "Not allowed"),
        NotFound: (404, "Not found"),
        BrokenOff: (408, "Broken off"),
        Conflict: (409, "Contradicts the record"),
        TooLarge: (413, "Too large"),
        WrongMediaType: (415, "Not JSON"),
        Invalid: (422, "Not acceptable as it is"),
        TooMany: (429, "Too many"),
        Unavailable: (503, "Not available now"),
        Fenced: (503, "Not available now"),
    }
)


def problem(status: int, title: str, detail: str, *, faults: tuple[str, ...] = ()) -> Response:
    """A problem document; `faults` are one sentence each."""
    document: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if faults:
        document["errors"] = list(faults)
    headers = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}, 503: {"retry-after": "1"}}.get(status)
    return Response(msgspec.json.encode(document), status, headers, MEDIA_TYPE)


def problem_of(error: HubError) -> Response:
    """The document for one of our errors."""
    for kind in type(error).__mro__:
        if kind in TITLES:
            status, title = TITLES[kind]
            response = problem(status, title, str(error), faults=getattr(error, "faults", ()))
            if isinstance(error, TooMany):
                response.headers["retry-after"] = str(math.ceil(error.retry_after_seconds))
            return response
    log.error("an error without a status: %s", type(error).__name__)
    return problem(500, "The hub failed", "see the hub's log")


async def _of_hub(_: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)  # noqa: S101 - registered for it
    return problem_of(error)


async def _of_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    response = problem(error.status_code, str(error.detail), str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _of_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    faults = tuple(f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors())
    return problem(422, "Not acceptable as it is", "; ".join(faults), faults=faults)


async def _of_bug(_: Request, error: Exception) -> Response:
    log.error("a request failed: %s", type(error).__name__, exc_info=error)
    return problem(500, "The hub failed", "see the hub's log")


def install(app: FastAPI) -> None:
    """Answer every error with a problem document."""
    app.add_exception_handler(HubError, _of_hub)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Exception, _of_bug)
    app.router.default = _nothing_there(app.router.default)


def _nothing_there(otherwise: ASGIApp) -> ASGIApp:
    """What serves a path that nobody has: a handshake is refused, anything else is left to `otherwise`."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await otherwise(scope, receive, send)
            return
        refusal = problem(404, "Not Found", "there is no WebSocket at this address")
        await WebSocket(scope, receive, send).send_denial_response(refusal)

    return serve
