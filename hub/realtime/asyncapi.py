"""The AsyncAPI 3 document of the WebSocket endpoints, made from the tables by which the hub works: events, rooms, requests, messages.

Operations are the hub's own: it `receive`s requests and `send`s events. A room is a channel of its own, whose address is its name; its messages
travel over any connection that is subscribed to it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from hub.realtime.requests import TYPES
from vitals.events import EVENTS, EventName, message_type
from vitals.hub_messages import HUB_MESSAGES
from vitals.rooms import AUTO_SUBSCRIPTIONS, RoomKind

VERSION: Final = "3.0.0"
ENDPOINT: Final = "/realtime/ws"
_SUBJECT_PATHS: Final = {"patient": "{patient_id}", "hospital": "{hospital_id}", "device": "{device_type}/{device_id}"}
_FIELD = re.compile(r"\{(\w+)\}")
_SCHEMAS: Final = "#/components/schemas/"

Document = dict[str, Any]


def document(*, version: str, host: str, secure: bool) -> Document:
    """The whole document for a hub that is reached at `host`."""
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Bedside, live",
            "version": version,
            "description": "Live events of patients, devices and wards. Bedside is a secondary display, not a primary alarm.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "hub": {
                "host": host,
                "protocol": "wss" if secure else "ws",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": _connections() | {_room_key(kind): _room(kind) for kind in RoomKind},
        "operations": _operations(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "messages": _messages(),
            "schemas": _schemas(),
        },
    }


# Channels


def _connections() -> Document:
    """The endpoints, each with what may be said over it."""
    said = [_request_key(kind) for kind in TYPES] + [_answer_key(kind) for kind in HUB_MESSAGES]
    channels = {"connection": _channel(ENDPOINT, said, "Subscribes to nothing by itself.")}
    for subject, path in _SUBJECT_PATHS.items():
        rooms = ", ".join(AUTO_SUBSCRIPTIONS[subject])
        channels[f"{subject}_connection"] = _channel(
            f"{ENDPOINT}/{subject}/{path}", said, f"Subscribes by itself to {rooms}."
        )
    return channels


def _room(kind: RoomKind) -> Document:
    return _channel(kind.value, [_event_key(event) for event in _events_in(kind)], "A room.")


def _channel(address: str, messages: Iterable[str], description: str) -> Document:
    parameters = {field: {"description": _parameter(field)} for field in _FIELD.findall(address)}
    return {
        "address": address,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        **({"parameters": parameters} if parameters else {}),
    }


def _parameter(field: str) -> str:
    return f"The {field.removesuffix('_id').replace('_', ' ')}, 1 to 64 of A-Z, a-z, 0-9, '_', '.', '-'."


def _events_in(kind: RoomKind) -> list[EventName]:
    return [event for event, facts in EVENTS.items() if kind in facts.rooms]


def _room_key(kind: RoomKind) -> str:
    """`patient:{patient_id}:vitals` is `room_patient_vitals`."""
    return "_".join(["room", *(word for word in kind.split(":") if not word.startswith("{"))])


# Operations


def _operations() -> Document:
    channel = "connection"
    asked = {
        f"receive_{kind}": _operation("receive", channel, [_request_key(kind)], answers=_answers_to(kind))
        for kind in TYPES
    }
    told = [_answer_key(kind) for kind in HUB_MESSAGES]
    delivered = {
        f"send_{_room_key(kind)}": _operation("send", _room_key(kind), [_event_key(event) for event in events])
        for kind in RoomKind
        if (events := _events_in(kind))
    }
    return asked | {"send_answers": _operation("send", channel, told)} | delivered


def _operation(action: str, channel: str, messages: Iterable[str], *, answers: Iterable[str] = ()) -> Document:
    reply = [_message_in(channel, _answer_key(kind)) for kind in answers]
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [_message_in(channel, message) for message in messages],
        **({"reply": {"channel": {"$ref": f"#/channels/{channel}"}, "messages": reply}} if reply else {}),
    }


_ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "subscribe": ("subscription", "error"),
    "unsubscribe": ("subscription", "error"),
    "ping": ("pong",),
    "pong": (),
    "refresh": ("refreshed", "error"),
    "history": ("history", "error"),
    "presence": ("presence", "error"),
    "activity": (),
}


def _answers_to(request: str) -> tuple[str, ...]:
    return _ANSWERS.get(request, ("error",))


def _message_in(channel: str, message: str) -> Document:
    return {"$ref": f"#/channels/{channel}/messages/{message}"}


# Messages


def _messages() -> Document:
    requests = {_request_key(kind): _message(kind, _reference(TYPES[kind].__name__)) for kind in TYPES}
    answers = {_answer_key(kind): _message(kind, _reference(struct.__name__)) for kind, struct in HUB_MESSAGES.items()}
    events = {_event_key(event): _event_message(event) for event in EVENTS}
    return requests | answers | events


def _message(kind: str, schema: Document) -> Document:
    return {"name": kind, "payload": {"allOf": [_typed(kind), schema]}}


def _event_message(event: EventName) -> Document:
    kind, data = message_type(event), EVENTS[event].data.__name__
    named = {"properties": {"event": {"const": event.value}, "data": _reference(data)}, "required": ["event", "data"]}
    return {"name": kind, "title": event.value, "payload": {"allOf": [_typed(kind), _reference("Envelope"), named]}}


def _typed(kind: str) -> Document:
    return {"type": "object", "properties": {"type": {"const": kind}}, "required": ["type"]}


def _request_key(kind: str) -> str:
    return f"request_{kind}"


def _answer_key(kind: str) -> str:
    return f"hub_{kind}"


def _event_key(event: EventName) -> str:
    return f"event_{event.replace('.', '_')}"


# Schemas


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around every event's `data`. A waveform has no place in its room: neither `epoch` nor `offset` nor `n`."""

    event_id: str
    room: str
    timestamp: str
    epoch: str | msgspec.UnsetType = msgspec.UNSET
    offset: int | msgspec.UnsetType = msgspec.UNSET
    n: int | msgspec.UnsetType = msgspec.UNSET
    test: bool | msgspec.UnsetType = msgspec.UNSET
    late: bool | msgspec.UnsetType = msgspec.UNSET
    skipped: int | msgspec.UnsetType = msgspec.UNSET


def _schemas() -> Document:
    """JSON Schemas of every struct, with numbers as they are written: as numbers."""
    structs = {
        *TYPES.values(),
        *HUB_MESSAGES.values(),
        *(facts.data for facts in EVENTS.values()),
        Envelope,
    }
    _, schemas = msgspec.json.schema_components(
        sorted(structs, key=lambda struct: struct.__name__), ref_template=f"{_SCHEMAS}{{name}}"
    )
    return {name: _with_numbers(schema) for name, schema in sorted(schemas.items())}


def _with_numbers(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {"type": "number"}
        return {name: _with_numbers(member) for name, member in schema.items()}
    return [_with_numbers(member) for member in schema] if isinstance(schema, list) else schema


def _reference(name: str) -> Document:
    return {"$ref": f"{_SCHEMAS}{name}"}
