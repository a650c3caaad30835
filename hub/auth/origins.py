"""Which browser pages may talk to the hub: its own, and those that are listed. Programs that are no browser send no Origin (RFC 6454)."""

from collections.abc import Iterable
from typing import Final

from starlette.requests import HTTPConnection

from hub.auth.errors import Forbidden

_SCHEMES: Final = {"ws": "http", "wss": "https"}
_SAFE: Final = frozenset({"GET", "HEAD"})


class Origins:
    """`public` is the hub's own origin as browsers see it; None: as the request says it. `others` are let in, but never with the cookie."""

    def __init__(self, public: str | None, others: Iterable[str]) -> None:
        self._public = public
        self._others = frozenset(origin.lower() for origin in others)

    def own(self, connection: HTTPConnection) -> str:
        """The origin that the hub has for this request."""
        if self._public is not None:
            return self._public.lower()
        scheme = connection.scope["scheme"]
        return f"{_SCHEMES.get(scheme, scheme)}://{connection.headers.get('host', '')}".lower()

    def is_secure(self, connection: HTTPConnection) -> bool:
        return self.own(connection).startswith("https://")

    def check(self, connection: HTTPConnection) -> None:
        """Raises Forbidden for a page of another origin that isn't listed."""
        for origin in connection.headers.getlist("origin"):
            if origin.lower() not in self._others | {self.own(connection)}:
                raise Forbidden("pages of this origin are not let in; an administrator can list it under auth.origins")

    def check_cookie(self, connection: HTTPConnection) -> None:
        """Raises Forbidden unless it is certain that a page of the hub's own sent the cookie.

        Browsers say so by the exact Origin, which a handshake and an unsafe method must have, or on reading by `Sec-Fetch-Site: same-origin`
        (Fetch Metadata; over https and on localhost).
        """
        said = connection.headers.getlist("origin")
        if said == [self.own(connection)]:
            return
        reading = connection.scope["type"] == "http" and connection.scope["method"] in _SAFE
        if said or not reading or connection.headers.get("sec-fetch-site") != "same-origin":
            raise Forbidden("the session cookie is for the hub's own pages; send Authorization: Bearer, or a ticket")
