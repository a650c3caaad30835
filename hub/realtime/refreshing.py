"""A new token on an open WebSocket: the connection goes on with its rights and its end, or as it was."""

import msgspec

from hub.auth.errors import InvalidToken
from hub.errors import Unavailable
from hub.realtime.clients import Client
from hub.realtime.live import Live
from hub.realtime.requests import BadRequest, Code, Refresh
from hub.rooms.messages import rfc3339


async def refresh(live: Live, client: Client, request: Refresh) -> None:
    """Answer `refreshed` with the new expiry, then `revoked` for each room that the new token does not allow.

    Raises BadRequest for a token that isn't believed or is another subject's, and where the rights can't be looked up now; the old token stands.
    """
    try:
        claims = await live.doorkeeper.believe(request.token)
        if claims.sub != client.claims.sub:
            raise BadRequest(Code.FORBIDDEN, "the token is another subject's; open a connection for it", request.id)
        revoked = await live.oversight.revoked(client, claims)
    except InvalidToken as error:
        raise BadRequest(Code.FORBIDDEN, str(error), request.id) from error
    except Unavailable as error:
        raise BadRequest(Code.UNAVAILABLE, str(error), request.id) from error
    client.claims = msgspec.structs.replace(claims, session=client.claims.session)  # its end still ends the connection
    live.clients.renew(client)
    about = {} if request.id is None else {"id": request.id}
    client.tell("refreshed", expires=rfc3339(claims.expires), **about)
    live.oversight.take_away(client, revoked)
