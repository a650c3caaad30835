"""JSON from outside, taken strictly (RFC 8259, and I-JSON, RFC 7493): what another reader might understand otherwise is refused.

UTF-8 alone; no name twice in one object, no NaN or Infinity, no lone surrogate, no number that a client's float can't hold. Free text loses
its control characters.
"""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from hub.errors import Invalid
from vitals.events import MAX_TEXT

MAX_DEPTH: Final = 8
MAX_INTEGER: Final = 2**53 - 1
MAX_EXPONENT: Final = 300
_SURROGATE, _CONTROL = "Cs", "Cc"


def decode_object(body: bytes) -> dict[str, Any]:
    """The object in `body`, its fractions as Decimal; an empty body is one without members. Raises Invalid."""
    try:
        document: Any = json.loads(
            body.decode("utf-8") or "{}", parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_members
        )
    except (ValueError, RecursionError) as error:
        raise Invalid("the body is not JSON") from error
    if not isinstance(document, dict):
        raise Invalid("the body must be a JSON object")
    return cleaned(document)


def cleaned(document: Mapping[str, Any]) -> dict[str, Any]:
    """Its texts without control characters, its fractions as Decimal that a client's float can hold, at most MAX_DEPTH deep.

    Raises Invalid.
    """
    members: dict[str, Any] = _cleaned(document, "body", 0)
    return members


def _refused(constant: str) -> None:
    raise Invalid(f"{constant} is no JSON number")


def _members(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise Invalid(f"{_cleaned(name[:40], 'body', 0)}: given twice")
        members[name] = value
    return members


def _cleaned(value: Any, where: str, depth: int) -> Any:  # noqa: ANN401 - any JSON
    if depth > MAX_DEPTH:
        raise Invalid(f"{where}: nested more than {MAX_DEPTH} deep")
    match value:
        case str():
            return _text(value, where)
        case dict():
            return {_text(name, where): _cleaned(item, name[:40], depth + 1) for name, item in value.items()}
        case list():
            return [_cleaned(item, where, depth + 1) for item in value]
        case float():
            return _cleaned(Decimal(str(value)), where, depth)
        case int() | Decimal():
            _check_number(value, where)
    return value


def _text(text: str, where: str) -> str:
    kinds = [unicodedata.category(character) for character in text]
    if _SURROGATE in kinds:
        raise Invalid(f"{_shown(where)}: half of a surrogate pair")
    text = "".join(character for character, kind in zip(text, kinds, strict=True) if kind != _CONTROL)
    if len(text) > MAX_TEXT:
        raise Invalid(f"{_shown(where)}: at most {MAX_TEXT} characters")
    return text


def _check_number(number: int | Decimal, where: str) -> None:
    if not (abs(number) <= MAX_INTEGER if isinstance(number, int) else _is_held(number)):
        raise Invalid(f"{_shown(where)}: the number is out of all range")


def _is_held(number: Decimal) -> bool:
    return number.is_finite() and abs(number.adjusted()) <= MAX_EXPONENT


def _shown(where: str) -> str:
    """A place, as it may stand in an answer."""
    return where.encode("utf-8", "replace").decode()
