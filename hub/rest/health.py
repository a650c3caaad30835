"""Liveness and readiness, for supervisors and load balancers. They need no token and say no more than names."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from hub.auth.published_keys import PublishedKeys
from hub.readiness import OK, advice, readiness
from hub.rest.components import components_of, live_of

router = APIRouter(prefix="/health")


@router.get("/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Whether everything that the hub needs answers: 200, or 503 saying what doesn't, and what to do. `notes` keep it from nothing yet."""
    keys: PublishedKeys | None = request.app.state.published_keys
    asked = {**components_of(request).checks} | ({"token_keys": keys.check} if keys else {})
    checks = await readiness(live_of(request), asked)
    if failing := advice(checks):
        return JSONResponse({"status": "failing", "checks": checks, "advice": failing}, 503)
    notes = {"notes": {"token_keys": keys.note}} if keys and keys.note else {}
    return JSONResponse({"status": OK, "checks": checks} | notes)
