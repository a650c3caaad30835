"""Who is in a room, for those who don't watch it live."""

from typing import Any

from fastapi import APIRouter, Request

from hub.auth.rights import Verb
from hub.errors import Invalid
from hub.realtime.presence import shown
from hub.rest.components import live_of, permitted, success
from hub.rooms.messages import RoomAddress
from vitals.errors import InvalidRoom
from vitals.rooms import parse_room

router = APIRouter(prefix="/realtime/presence")


@router.get("/{room}")
async def presence(request: Request, room: str) -> dict[str, Any]:
    """Users in a room over all nodes, and how active each is. For whoever may watch the room."""
    try:
        parsed = parse_room(room)
    except InvalidRoom as error:
        raise Invalid(str(error)) from error
    _, hospital_id = await permitted(request, Verb.PRESENCE, parsed)
    live = live_of(request)
    found = await live.shared.presence.read(RoomAddress(hospital_id=hospital_id, room=str(parsed)))
    data = {"room": str(parsed), "users": shown(found.users)}
    return success(request, data)
