"""Asking a hub over HTTP, for commands that look at one: blocking, small, standard library only."""

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

ANSWER_SECONDS: Final = 5.0
LONGEST_ANSWER: Final = 4 * 1024 * 1024
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class HubUnreachable(Exception):
    """Nothing, or nothing sensible, answers there; the message says what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `content` is what the JSON says; `date` the server's clock, where it tells it."""

    status: int
    content: Any
    date: datetime | None


def get(
    url: str, *, token: str | None = None, seconds: float = ANSWER_SECONDS, tls: ssl.SSLContext | None = None
) -> Answer:
    """GET `url`; a redirection is an answer too and not followed, for the token is for this hub. Raises HubUnreachable."""
    if not url.startswith(("http://", "https://")):
        raise HubUnreachable(f"{url}: must begin with http:// or https://")
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        return _asked(urllib.request.Request(url, headers=headers), seconds, tls)  # noqa: S310 - http and https, checked above
    except urllib.error.URLError as error:
        raise HubUnreachable(f"{url}: {getattr(error.reason, 'strerror', None) or error.reason}") from error
    except HTTPException as error:
        raise HubUnreachable(f"{url}: what answers there is no web server") from error
    except (OSError, ValueError) as error:
        raise HubUnreachable(f"{url}: {error}") from error


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_: object) -> None:
        return None


def _asked(request: urllib.request.Request, seconds: float, tls: ssl.SSLContext | None) -> Answer:
    try:
        with _opener(request, tls).open(request, timeout=seconds) as response:
            return _answer(response.status, response.headers, response.read(LONGEST_ANSWER))
    except urllib.error.HTTPError as refused:
        with refused:
            return _answer(refused.code, refused.headers, refused.read(LONGEST_ANSWER))


def _opener(request: urllib.request.Request, tls: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """No proxy stands between us and this machine."""
    handlers: list[urllib.request.BaseHandler] = []
    if (urlsplit(request.full_url).hostname or "") in _LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))
    if tls is not None:
        handlers.append(urllib.request.HTTPSHandler(context=tls))
    return urllib.request.build_opener(_Stays, *handlers)


def _answer(status: int, headers: Message, body: bytes) -> Answer:
    try:
        content = json.loads(body) if body else None
    except ValueError:
        content = None
    said = headers.get("Date")
    return Answer(status=status, content=content, date=parsedate_to_datetime(said) if said else None)
