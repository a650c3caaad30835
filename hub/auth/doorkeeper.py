"""Who is calling: found out once a request or handshake, by the first credential that it carries, before anything else is done."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import msgspec
from starlette.requests import HTTPConnection

from hub.auth.access import Access
from hub.auth.credentials import Credential, Source, credential_of
from hub.auth.errors import InvalidToken, Unauthenticated
from hub.auth.keys import Keys, UnknownKey
from hub.auth.origins import Origins
from hub.auth.tokens import Claims
from hub.auth.verification import TokenVerifier
from hub.limits import Limits

_LIVE: Final = ("/realtime/ws", "/realtime/events")
_SECRET_BYTES: Final = 32
COOKIE: Final = "bedside-session"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"
"""Browsers take this name only over https and for one host (RFC 6265bis, section 4.1.3.2)."""


class CredentialStore(Protocol):
    """Where tickets and sessions are; raises RoomsUnavailable."""

    async def put(self, secret: str, content: bytes, *, seconds: float) -> None: ...
    async def look(self, secret: str) -> bytes | None: ...
    async def take(self, secret: str) -> bytes | None: ...
    async def remove(self, secret: str) -> None: ...


class Doorkeeper:
    """Believes tokens, tickets and sessions. `session_name` gives a session's public name."""

    def __init__(
        self,
        verifier: TokenVerifier,
        keys: Keys,
        access: Access,
        store: CredentialStore,
        origins: Origins,
        *,
        query_tokens: bool,
        limits: Limits,
        now: Callable[[], datetime],
        session_name: Callable[[str], str],
    ) -> None:
        self.origins = origins
        self._verifier = verifier
        self._keys = keys
        self._access = access
        self._store = store
        self._query_tokens = query_tokens
        self._limits = limits
        self._now = now
        self._session_name = session_name

    async def identify(self, connection: HTTPConnection) -> Claims:
        """Who is calling, with what is open to them now.

        Raises Unauthenticated, Forbidden for a page of a strange origin, KeysUnavailable or RoomsUnavailable where it can't be found out.
        """
        self.origins.check(connection)
        credential = credential_of(
            connection.headers,
            connection.query_params,
            session=connection.cookies.get(self.cookie_name(connection)),
            subprotocols=connection.scope.get("subprotocols", ()),
            live=connection.scope["path"].startswith(_LIVE),
            query_tokens=self._query_tokens,
        )
        if credential.source is Source.SESSION:
            self.origins.check_cookie(connection)
        return await self._claims(credential)

    async def believe(self, token: str) -> Claims:
        """The claims of a token, with what is open to its user now. Raises InvalidToken or KeysUnavailable."""
        try:
            claims = self._verifier.verify(token, now=self._now())
        except UnknownKey:
            if not await self._keys.learn():
                raise
            claims = self._verifier.verify(token, now=self._now())
        return self.still(claims)

    def still(self, claims: Claims) -> Claims:
        """The claims as of now, also for whoever has waited since `identify`. Raises InvalidToken."""
        if claims.exp <= self._now().timestamp():
            raise InvalidToken("the token has expired")
        self._access.check(claims)
        return self._access.widened(claims)

    async def ticket(self, claims: Claims) -> tuple[str, float]:
        """A ticket that lets its bearer in once, as these claims, and for how many seconds. Raises RoomsUnavailable."""
        ticket = secrets.token_urlsafe(_SECRET_BYTES)
        seconds = min(self._limits.ticket_seconds, claims.exp - self._now().timestamp())
        await self._store.put(ticket, _kept(claims), seconds=seconds)
        return ticket, seconds

    async def begin_session(self, claims: Claims) -> str:
        """The secret of a session that ends when the token does. Raises RoomsUnavailable."""
        session = secrets.token_urlsafe(_SECRET_BYTES)
        named = msgspec.structs.replace(claims, session=self._session_name(session))
        await self._store.put(session, _kept(named), seconds=claims.exp - self._now().timestamp())
        return session

    async def end_session(self, session: str) -> None:
        """Nobody comes in with it any more. Raises RoomsUnavailable."""
        await self._store.remove(session)

    def cookie_name(self, connection: HTTPConnection) -> str:
        return SECURE_COOKIE if self.origins.is_secure(connection) else COOKIE

    async def _claims(self, credential: Credential) -> Claims:
        if len(credential.text) > self._limits.token_bytes:
            raise InvalidToken("the token is too long")
        match credential.source:
            case Source.TICKET:
                kept = await self._store.take(credential.text)
                missing = "the ticket was used already, or is too old; get another: POST /realtime/ticket"
            case Source.SESSION:
                kept = await self._store.look(credential.text)
                missing = "the session has ended; log in again"
            case _:
                return await self.believe(credential.text)
        if kept is None:
            raise Unauthenticated(missing)
        return self.still(msgspec.json.decode(kept, type=Claims))


def _kept(claims: Claims) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(claims, opened=frozenset()))
