"""From a request's JSON to a decided request in the record's inbox."""

import hashlib
import unicodedata
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from fastapi import Request

from hub.errors import Invalid
from hub.record.inbox import Outcome, RequestKind
from hub.record.inbox import Request as InboxRequest
from hub.rest.components import body_of, components_of, live_of
from vitals.envelope import encode
from vitals.events import MAX_TEXT
from vitals.identifiers import HospitalId

MAX_DEPTH: Final = 8
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode


async def json_of(request: Request) -> dict[str, Any]:
    """The body as an object, its text without control characters. Raises Invalid."""
    try:
        document: Any = _decode(await body_of(request))
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
    key = _key(live.authenticate(request).sub, hospital_id, kind, given) if given else live.new_id()
    return await components_of(request).inbox.submit(
        InboxRequest(
            hospital_id=hospital_id,
            request_key=key,
            kind=kind,
            payload=encode(payload),
            deadline=live.now() + timedelta(seconds=live.limits.request_seconds),
        )
    )


def _key(*parts: str) -> str:
    """One key for one caller's own key, of the length that the record has room for."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
