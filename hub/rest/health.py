"""Liveness and readiness, for supervisors and load balancers. They need no token and say no more than names."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from hub.errors import HubError
from hub.rest.components import components_of, live_of

router = APIRouter(prefix="/health")


@router.get("/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Whether everything that the hub needs answers: 200, or 503 naming what doesn't."""
    checks: dict[str, str] = {"live_rooms": "ok" if live_of(request).feed.healthy else "not followed"}
    for name, check in components_of(request).checks.items():
        try:
            await check()
        except HubError as error:
            checks[name] = type(error).__name__
        else:
            checks[name] = "ok"
    if live_of(request).clients.draining:
        checks["node"] = "draining"
    healthy = all(state == "ok" for state in checks.values())
    return JSONResponse({"status": "ok" if healthy else "failing", "checks": checks}, 200 if healthy else 503)
