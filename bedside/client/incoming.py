"""What the hub sends, decoded once and tolerantly: members and kinds of a newer hub are passed over, never an error."""

import types
import typing
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from bedside.client.events import Event, Missing
from vitals.events import EVENTS, EventData

_NOTHING: Final = msgspec.Raw(b"null")
_KINDS: Final[Mapping[str, type[EventData]]] = {str(name): facts.data for name, facts in EVENTS.items()}


class UnreadableMessage(ValueError):
    """No message of a hub."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Any message of the hub, with the members that some kind has."""

    type: str
    id: int | None = None
    event: str | None = None
    event_id: str | None = None
    room: str | None = None
    data: msgspec.Raw = _NOTHING
    timestamp: datetime | None = None
    epoch: str | None = None
    offset: int | None = None
    n: int | None = None
    test: bool = False
    late: bool = False
    skipped: int = 0
    status: str | None = None
    reason: str | None = None
    recovered: bool = False
    replayed: int = 0
    missing: Missing | None = None
    snapshot: msgspec.Raw = _NOTHING
    code: str | None = None
    message: str | None = None
    time: datetime | None = None
    upstream: str = "ok"
    judged_at: datetime | None = None
    expires: datetime | None = None

    def snapshot_content(self) -> Any:  # noqa: ANN401 - any JSON
        return _decode_any(self.snapshot)

    def snapshot_n(self) -> int | None:
        """The N that a snapshot reaches; None where there is no snapshot."""
        content = self.snapshot_content()
        if content is None:
            return None
        own = content.get("n") if isinstance(content, dict) else None
        return own if isinstance(own, int) else self.n


_decode: Final = msgspec.json.Decoder(Frame).decode
_decode_any: Final = msgspec.json.Decoder(float_hook=Decimal).decode


def decode_frame(text: str | bytes) -> Frame:
    """One message. Raises UnreadableMessage."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableMessage("the hub sent what is no message") from error


def raw_of(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def document_of(text: str | bytes) -> dict[str, Any]:
    """A message's members as plain JSON values; numbers with a fraction are Decimals. `decode_frame` has taken it before."""
    content: dict[str, Any] = _decode_any(text)
    return content


def event_of(frame: Frame, text: str | bytes) -> Event:
    """The event in a message. Raises UnreadableMessage where it lacks what every event has."""
    if frame.event is None or frame.room is None or frame.timestamp is None:
        raise UnreadableMessage("the hub sent an event without name, room or time")
    return Event(
        event=frame.event,
        type=frame.type,
        event_id=frame.event_id or "",
        room=frame.room,
        data=_data(frame.event, frame.data),
        timestamp=frame.timestamp,
        epoch=frame.epoch,
        offset=frame.offset,
        n=frame.n,
        test=frame.test,
        late=frame.late,
        skipped=frame.skipped,
        raw=raw_of(text),
    )


def _data(event: str, raw: msgspec.Raw) -> EventData | dict[str, Any]:
    """The catalogue's struct, without what a newer hub adds to it; the plain JSON for what the catalogue does not know."""
    kind = _KINDS.get(event)
    try:
        if kind is not None:
            return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        pass
    except (ValueError, ArithmeticError) as error:
        raise UnreadableMessage("an event's data can't be read") from error
    content = _decode_any(raw)
    if not isinstance(content, dict):
        raise UnreadableMessage("an event's data is no object")
    return content if kind is None else _as_far_as_known(content, kind)


def _as_far_as_known(content: dict[str, Any], kind: type[EventData]) -> EventData | dict[str, Any]:
    try:
        return msgspec.convert(_known(content, kind), kind, builtin_types=(Decimal,))
    except (msgspec.ValidationError, ValueError, ArithmeticError):
        return content


def _known(content: Any, kind: Any) -> Any:  # noqa: ANN401 - JSON and annotations
    """`content` without members that the structs in `kind` don't have."""
    if isinstance(content, dict):
        if (struct := _struct_in(kind)) is not None:
            fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
            return {name: _known(value, fields[name]) for name, value in content.items() if name in fields}
        if (values := _mapping_in(kind)) is not None:
            return {name: _known(value, values) for name, value in content.items()}
    return content


def _choices(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an annotation
    origin = typing.get_origin(kind)
    return typing.get_args(kind) if origin in (types.UnionType, typing.Union) else (kind,)


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - an annotation
    return next((one for one in _choices(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def _mapping_in(kind: Any) -> Any:  # noqa: ANN401 - an annotation
    return next((typing.get_args(one)[1] for one in _choices(kind) if typing.get_origin(one) in (dict, Mapping)), None)
