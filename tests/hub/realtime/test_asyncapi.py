"""The AsyncAPI document is valid by the standard's own schema, and true of what the hub says and takes."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from jsonschema.protocols import Validator

from devtools import web
from hub.realtime.asyncapi import document
from hub.realtime.requests import TYPES, decode_request
from tests.conformance.script import DATA
from tests.hub.realtime.examples import example
from tests.support.hub import HOSPITAL, PATIENT, receive
from vitals.events import EVENTS, EventName, message_type
from vitals.hub_messages import HUB_MESSAGES
from vitals.rooms import RoomKind

DOCUMENT = document(version="1", host="hub.example", secure=True)
MESSAGES = DOCUMENT["components"]["messages"]
SCHEMAS = DOCUMENT["components"]["schemas"]
VITALS, ALERTS = f"patient:{PATIENT}:vitals", f"patient:{PATIENT}:alerts"


def validator(message: str) -> Validator:
    """Of one message's payload; references lead into the document."""
    schema = MESSAGES[message]["payload"] | {"components": DOCUMENT["components"]}
    return jsonschema.Draft7Validator(schema)


@pytest.mark.slow
def test_the_document_is_valid_by_the_standards_own_schema():
    schema = json.loads((web.asyncapi_schemas() / "3.0.0-without-$id.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(DOCUMENT | {"operations": {"send": {"action": "shout"}}})


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for member in value.values() for found in references(member)]
    return [found for member in value for found in references(member)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere():
    for reference in references(DOCUMENT):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_it_has_every_room_request_message_and_event():
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert set(RoomKind) <= addresses
    names = {message["name"] for message in MESSAGES.values()}
    assert names == {*TYPES, *HUB_MESSAGES, *(message_type(event) for event in EVENTS)}


def test_a_rooms_channel_has_the_events_that_go_to_it():
    alerts = DOCUMENT["channels"]["room_patient_alerts"]
    assert set(alerts["messages"]) == {"event_patient_alert", "event_device_alert"}
    assert set(alerts["parameters"]) == {"patient_id"}


@pytest.mark.parametrize("full", [False, True], ids=["least", "full"])
@pytest.mark.parametrize("message", MESSAGES)
def test_an_example_of_each_message_is_valid_and_one_of_another_type_is_not(message: str, full: bool):
    made = example(MESSAGES[message]["payload"], SCHEMAS, full=full)
    check = validator(message)
    check.validate(made)
    assert not check.is_valid(made | {"type": "something_else"})


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("full", [False, True], ids=["least", "full"])
def test_the_hub_takes_an_example_of_each_request(kind: str, full: bool):
    made = example(MESSAGES[f"request_{kind}"]["payload"], SCHEMAS, full=full)
    assert isinstance(decode_request(json.dumps(made)), TYPES[kind])


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_of_each_events_data_is_what_the_catalogue_has(event: EventName):
    data = example(MESSAGES[f"event_{event.replace('.', '_')}"]["payload"], SCHEMAS, full=True)["data"]
    msgspec.json.decode(json.dumps(data), type=EVENTS[event].data)


@pytest.mark.slow
async def test_what_a_real_hub_says_is_as_the_document_has_it(hub):
    said: set[str] = set()

    async def says(kind: str, message: str | None = None) -> None:
        found = await receive(connection, until=kind)
        validator(message or f"hub_{kind}").validate(found)
        said.add(kind)

    async with hub.connect("/realtime/ws") as connection:
        for request, answer in (
            ({"type": "subscribe", "rooms": [VITALS, ALERTS]}, "subscription"),
            ({"type": "subscribe", "room": "admin:updates"}, "subscription"),
            ({"type": "subscribe", "room": VITALS, "since": {"epoch": "gone", "offset": 3}, "id": 7}, "subscription"),
            ({"type": "ping", "id": 1}, "pong"),
            ({"type": "nonsense"}, "error"),
            ({"type": "presence", "room": VITALS}, "presence"),
        ):
            await connection.send(json.dumps(request))
            await says(answer)
        for event in (EventName.PATIENT_VITALS_UPDATE, EventName.PATIENT_ALERT):
            room = VITALS if event is EventName.PATIENT_VITALS_UPDATE else ALERTS
            data = DATA[event] | {"patient_id": PATIENT}
            await hub.owner.publish(HOSPITAL, [room], data, event=event, test=True)
            await says(message_type(event), f"event_{event.replace('.', '_')}")
        served = (await hub.http.get("/asyncapi.json")).json()
    assert said >= {"subscription", "pong", "error", "presence", "vitals_update", "patient_alert"}
    assert served["components"] == DOCUMENT["components"]
    assert served["servers"]["hub"]["host"] == f"127.0.0.1:{hub.settings.port}"
