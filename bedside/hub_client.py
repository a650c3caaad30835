"""Asking a hub over HTTP, for commands that look at one: blocking, small, standard library only."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

ANSWER_SECONDS: Final = 5.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class HubUnreachable(Exception):
    """Nothing, or nothing sensible, answers there; the message says what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `content` is what the JSON says; `date` the server's clock, where it tells it."""

    status: int
    content: Any
    date: datetime | None


def get(url: str, *, token: str | None = None, seconds: float = ANSWER_SECONDS) -> Answer:
    """GET `url`. Raises HubUnreachable."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - http and https, checked below
        if asked.type not in ("http", "https"):
            raise HubUnreachable(f"{url}: must begin with http:// or https://")
        with _opener(asked).open(asked, timeout=seconds) as response:
            return _answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return _answer(refused.code, refused.headers, refused.read())
    except urllib.error.URLError as error:
        raise HubUnreachable(f"{url}: {getattr(error.reason, 'strerror', None) or error.reason}") from error
    except (OSError, ValueError) as error:
        raise HubUnreachable(f"{url}: {error}") from error


def _opener(asked: urllib.request.Request) -> urllib.request.OpenerDirector:
    """No proxy stands between us and this machine."""
    here = (urlsplit(asked.full_url).hostname or "") in _LOOPBACK
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if here else []))


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    try:
        content = json.loads(body) if body else None
    except ValueError:
        content = None
    said = headers.get("Date")
    return Answer(status=status, content=content, date=parsedate_to_datetime(said) if said else None)
