"""From a request's JSON to a decided request in the record's inbox."""

import hashlib
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request

from hub.errors import Invalid
from hub.record.inbox import Outcome, RequestKind
from hub.record.inbox import Request as InboxRequest
from hub.rest.components import body_of, components_of, live_of
from hub.rest.problems import WrongMediaType
from hub.rest.strict_json import decode_object
from vitals.envelope import encode
from vitals.identifiers import HospitalId

Body = TypeVar("Body", bound=msgspec.Struct)
_STRANGE: Final = re.compile(r"Object contains unknown field `([^`]*)`")
_LENGTH: Final = re.compile(r"Expected `str` of length (>=|<=) (\d+)")


async def json_of(request: Request) -> dict[str, Any]:
    """The body as an object, its text without control characters. Raises TooLarge, WrongMediaType or Invalid."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise WrongMediaType("send the body as application/json")
    return decode_object(await body_of(request))


def converted(fields: dict[str, Any], body: type[Body]) -> Body:
    """The struct that the fields make; a number is a number and never a text. Raises Invalid, naming every missing field."""
    missing = [field.name for field in msgspec.structs.fields(body) if field.required and field.name not in fields]
    if missing:
        raise Invalid(*(f"{name}: missing" for name in missing))
    try:
        return msgspec.convert(fields, body, builtin_types=(Decimal,))
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Invalid(_placed(str(error))[:300]) from error


def _placed(error: str) -> str:
    """msgspec's words with their place first, as all faults have it."""
    if (strange := _STRANGE.fullmatch(error)) is not None:
        return f"{strange[1]}: there is no such field"
    said, _, place = error.rpartition(" - at `$.")
    if not said:
        return error
    if (length := _LENGTH.fullmatch(said)) is not None:
        said = f"at {'least' if length[1] == '>=' else 'most'} {length[2]} characters"
    return f"{place.removesuffix('`')}: {said}"


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
