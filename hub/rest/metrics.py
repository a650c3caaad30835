"""`GET /metrics`, for Prometheus: by a token of its own, which knows nothing else, or by an admin's.

Not open to loopback: behind a reverse proxy on the same machine everybody comes from there.
"""

import hmac

from fastapi import APIRouter, Request
from starlette.responses import Response

from hub.auth.errors import Forbidden
from hub.auth.rights import Verb, role_may
from hub.metrics.observing import observe
from hub.rest.components import components_of, live_of
from vitals.rooms import RoomKind

router = APIRouter()


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """The node's figures in Prometheus's text format, or OpenMetrics where that is asked for."""
    _check(request)
    components = components_of(request)
    samples = await observe(
        live_of(request),
        request.app.state.delivery_lag,
        components.checks,
        intake=components.intake.counters if components.intake else None,
        record_pool=components.record_pool(),
    )
    text, media_type = samples.text(request.headers.get("accept", ""))
    return Response(text, headers={"content-type": media_type, "cache-control": "no-store"})


def _check(request: Request) -> None:
    """Raises Unauthenticated or Forbidden."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    expected: bytes | None = request.app.state.metrics_token
    if expected is not None and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected):
        return
    claims = live_of(request).authenticate(request)
    if not role_may(claims, Verb.WATCH, RoomKind.ADMIN_UPDATES):
        raise Forbidden("metrics are for admins, and for the token of metrics.token_file")
