"""From a request's JSON to a decided request in the record's inbox."""

import unicodedata
from datetime import timedelta
from typing import Any, Final

import msgspec
from fastapi import Request

from hub.errors import Invalid
from hub.record.inbox import Outcome, RequestKind
from hub.record.inbox import Request as InboxRequest
from hub.rest.components import body_of, components_of, live_of
from vitals.events import MAX_TEXT
from vitals.identifiers import HospitalId

MAX_DEPTH: Final = 8
encode: Final = msgspec.json.Encoder(decimal_format="number").encode


async def json_of(request: Request) -> dict[str, Any]:
    """The body as an object, its text without control characters. Raises Invalid."""
    try:
        document: Any = msgspec.json.decode(await body_of(request))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Invalid("the body is not JSON") from error
    if not isinstance(document, dict):
        raise Invalid("the body must be a JSON object")
    cleaned: dict[str, Any] = _cleaned(document, "body", 0)
    return cleaned


def _cleaned(value: Any, where: str, depth: int) -> Any:  # noqa: ANN401 - any JSON
    if depth > MAX_DEPTH:
        raise Invalid(f"{where}: nested more than {MAX_DEPTH} deep")
    if isinstance(value, str):
        text = "".join(character for character in value if unicodedata.category(character) != "Cc")
        if len(text) > MAX_TEXT:
            raise Invalid(f"{where}: at most {MAX_TEXT} characters")
        return text
    if isinstance(value, dict):
        return {_cleaned(key, where, depth): _cleaned(item, key[:40], depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, where, depth + 1) for item in value]
    return value


async def submit(request: Request, hospital_id: HospitalId, kind: RequestKind, payload: object) -> Outcome:
    """Ask the hospital's owner. An `Idempotency-Key` header makes a repeat harmless. Raises as Inbox.submit."""
    live = live_of(request)
    given = request.headers.get("idempotency-key", "")
    key = f"{live.authenticate(request).sub}:{given[:100]}" if given else live.new_id()
    return await components_of(request).inbox.submit(
        InboxRequest(
            hospital_id=hospital_id,
            request_key=key,
            kind=kind,
            payload=encode(payload),
            deadline=live.now() + timedelta(seconds=live.limits.request_seconds),
        )
    )
