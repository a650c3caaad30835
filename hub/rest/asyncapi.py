"""`GET /asyncapi.json`: the live side, for programs that read such documents; as public as `/openapi.json`."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request

from hub.realtime.asyncapi import document

router = APIRouter()


@router.get("/asyncapi.json", include_in_schema=False)
async def asyncapi(request: Request) -> dict[str, Any]:
    """The AsyncAPI 3 document, with this hub's address as it was asked for."""
    return document(version=version("bedside"), host=request.url.netloc, secure=request.url.scheme == "https")
