"""Taking back tokens before their time: one, or all that a user has had so far."""

from datetime import timedelta
from typing import Any

import msgspec
from fastapi import APIRouter, Request

from hub.auth.access import Revocation
from hub.auth.rights import Verb
from hub.auth.tokens import Subject, TokenId
from hub.errors import Invalid
from hub.rest.components import components_of, live_of, permitted, success
from hub.rest.submitting import converted, json_of
from hub.rooms.messages import rfc3339
from vitals.events import Text
from vitals.rooms import Room, RoomKind

router = APIRouter(prefix="/auth")


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`token_id` is a token's `jti`, `subject` its `sub`; one of them."""

    token_id: TokenId | None = None
    subject: Subject | None = None
    reason: Text = ""


@router.post("/revocations", status_code=201)
async def revoke(request: Request) -> dict[str, Any]:
    """Take back a token (`token_id`), or all of a user's that were issued until now (`subject`). Every node knows within 2 s."""
    claims, _ = await permitted(request, Verb.ADMINISTER, Room(kind=RoomKind.ADMIN_UPDATES))
    asked = converted(await json_of(request), Asked)
    if (asked.token_id is None) == (asked.subject is None):
        raise Invalid("name a token_id, or a subject whose tokens are all taken back")
    live = live_of(request)
    now = live.now()
    ahead = timedelta(seconds=request.app.state.settings.auth.leeway_seconds)
    await components_of(request).access.revoke(
        Revocation(token_id=asked.token_id, subject=asked.subject, issued_until=now + ahead if asked.subject else None),
        author=claims.sub,
        reason=asked.reason,
        forget=now + timedelta(seconds=live.limits.token_life_seconds),
    )
    await live.oversight.look_now()
    answer = {"token_id": asked.token_id, "subject": asked.subject, "at": rfc3339(now)}
    return success(request, answer)
