"""Where a request carries its credential. The first that is there is taken; there is never a fall-back to another, nor to none."""

from collections.abc import Sequence
from enum import StrEnum, unique
from typing import Final, NamedTuple

from starlette.datastructures import Headers, QueryParams

from hub.auth.errors import Unauthenticated

SUBPROTOCOL: Final = "bearer"


@unique
class Source(StrEnum):
    """In the order in which they are looked for. SESSION is the browser session's cookie."""

    HEADER = "header"
    SUBPROTOCOL = "subprotocol"
    SESSION = "session"
    TICKET = "ticket"
    ADDRESS = "address"


class Credential(NamedTuple):
    source: Source
    text: str


def credential_of(
    headers: Headers,
    query: QueryParams,
    *,
    session: str | None,
    subprotocols: Sequence[str] = (),
    live: bool,
    query_tokens: bool,
) -> Credential:
    """The credential of a request or handshake; `session` is its cookie's value. Tickets are for `live` endpoints only.

    Raises Unauthenticated where there is none, or the first one is no credential.
    """
    if authorization := headers.getlist("authorization"):
        return Credential(Source.HEADER, _bearer(authorization))
    if SUBPROTOCOL in subprotocols:
        offered = [protocol for protocol in subprotocols if protocol != SUBPROTOCOL]
        if len(offered) != 1:
            raise Unauthenticated("offer exactly the subprotocols bearer and your token")
        return Credential(Source.SUBPROTOCOL, offered[0])
    if session is not None:
        return Credential(Source.SESSION, session)
    if live and (ticket := query.get("ticket", "")):
        return Credential(Source.TICKET, ticket)
    if token := query.get("token", ""):
        if not query_tokens:
            raise Unauthenticated("tokens in the address are switched off here; send Authorization: Bearer")
        return Credential(Source.ADDRESS, token)
    raise Unauthenticated("a token is needed: Authorization: Bearer YOUR_JWT_TOKEN")


def _bearer(authorization: Sequence[str]) -> str:
    scheme, _, token = authorization[0].partition(" ")
    if len(authorization) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("send the token as Authorization: Bearer YOUR_JWT_TOKEN, once")
    return token.strip()
