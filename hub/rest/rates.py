"""Publishing over REST is held to the same rate as the caller's messages over WebSocket: one bucket a user."""

from fastapi import Request

from hub.auth.tokens import Claims
from hub.rest.components import live_of
from hub.rest.problems import TooMany


async def spend(request: Request, claims: Claims) -> None:
    """Count a publication. Raises TooMany, which says when there is room again."""
    live = live_of(request)
    if (wait := await live.shared.rates.wait_seconds(claims.sub)) > 0:
        rate = live.limits.user_messages_a_second
        raise TooMany(f"at most {rate:g} messages a second of one user; try again later", retry_after_seconds=wait)
