"""Where a request carries its token. The first that is there is taken; there is never a fall-back to another, nor to none."""

from collections.abc import Mapping, Sequence
from typing import Final

from hub.auth.errors import Unauthenticated

SUBPROTOCOL: Final = "bearer"


def token_of(
    headers: Mapping[str, str], query: Mapping[str, str], *, subprotocols: Sequence[str] = (), query_tokens: bool
) -> str:
    """The token of a request or handshake: `Authorization: Bearer`, then `Sec-WebSocket-Protocol: bearer, <jwt>`, then `?token=`.

    Raises Unauthenticated. The session cookie and the single-use ticket of the contract stand between the last two.
    """
    if (authorization := headers.get("authorization")) is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("send the token as Authorization: Bearer YOUR_JWT_TOKEN")
        return token.strip()
    if SUBPROTOCOL in subprotocols:
        offered = [protocol for protocol in subprotocols if protocol != SUBPROTOCOL]
        if len(offered) != 1:
            raise Unauthenticated("offer exactly the subprotocols bearer and your token")
        return offered[0]
    if (token := query.get("token", "")) and query_tokens:
        return token
    if token:
        raise Unauthenticated("tokens in the address are switched off here; send Authorization: Bearer")
    raise Unauthenticated("a token is needed: Authorization: Bearer YOUR_JWT_TOKEN")
