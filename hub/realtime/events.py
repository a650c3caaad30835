"""The guide's three publishing functions, for those who extend the hub: one event each, through its hospital's owner, to all its rooms.

An extension is a route on the hub's own application; it gets the functions as a dependency, under the guide's name:

    app = create_app(settings, open_components)

    @app.post("/my-devices/readings")
    async def created(data: MyReading, realtime_events: Annotated[RealtimeEvents, Depends(realtime_events_of)]) -> None:
        await realtime_events.publish_device_data(
            device_type=data.device_type, device_id=data.device_id, data_type=data.data_type, values=data.values
        )

What is published so reaches clients like any other event, with an N of its own, and is announced again after an outage. It is no observation:
nothing is recorded of the patient, and no rule judges it. `POST /devices/{device_type}/{device_id}/data` does all of that by itself.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request

from hub.auth.places import Registry
from hub.errors import Invalid, NotFound
from hub.record.inbox import Request as InboxRequest
from hub.record.inbox import RequestKind
from hub.rest.components import Inbox
from hub.rest.strict_json import cleaned
from vitals.envelope import encode
from vitals.events import EVENTS, EventName, Scope
from vitals.identifiers import DeviceKey, PatientId
from vitals.parameters import Vital

log = logging.getLogger(__name__)

_VITALS: Final = frozenset(Vital)
Checked = TypeVar("Checked", bound=msgspec.Struct)


class RealtimeEvents:
    """Each function returns the event's id when the event is committed; clients have it a moment later.

    Raises Invalid for data that the event's table does not have, NotFound for a device or patient that isn't registered, and
    RecordUnavailable when nobody committed it in time: then it is never published later.
    """

    def __init__(
        self,
        registry: Registry,
        inbox: Inbox,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        wait_seconds: float,
    ) -> None:
        self._registry = registry
        self._inbox = inbox
        self._now = now
        self._new_id = new_id
        self._wait = timedelta(seconds=wait_seconds)

    async def publish_device_data(
        self, device_type: str, device_id: str, data_type: str, values: Mapping[str, Any]
    ) -> str:
        """`device.data.update`, measured now. `values` holds a number under its vital's name, or a blood pressure's members."""
        named = {"device_type": device_type, "device_id": device_id}
        device = _converted(named, DeviceKey)
        place = await self._registry.device(device)
        if place is None:
            raise NotFound("device", str(device))
        data = named | {"data_type": data_type, "values": dict(values), "timestamp": self._now()}
        scope = Scope(hospital_id=place.hospital_id, device=device)
        return await self._publish(EventName.DEVICE_DATA_UPDATE, data, scope)

    async def publish_patient_vitals(self, patient_id: PatientId, vitals_data: Mapping[str, Any]) -> str:
        """`patient.vitals.update`: vitals under their names, and where known `device_id`, `device_type` and `timestamp` (else now).

        As the guide has it, a vital may also come as the `values` of device data: `{"heart_rate": {"heart_rate": 72}}`.
        """
        vitals = {name: _alone(name, value) for name, value in vitals_data.items()}
        if not _VITALS & vitals.keys():
            raise Invalid(f"vitals_data: one or more of {', '.join(Vital)}")
        scope = await self._scope(patient_id)
        data = {"timestamp": self._now()} | vitals | {"patient_id": patient_id}
        return await self._publish(EventName.PATIENT_VITALS_UPDATE, data, scope)

    async def publish_patient_alert(
        self, patient_id: PatientId, alert_type: str, severity: str, message: str, data: Mapping[str, Any]
    ) -> str:
        """`patient.alert`, an episode of its own. `severity` is critical, warning or info."""
        scope = await self._scope(patient_id)
        alert = {
            "patient_id": patient_id,
            "alert_type": alert_type,
            "severity": severity,
            "message": message,
            "data": dict(data),
            "episode_id": self._new_id(),
            "kind": "physiological",
            "repeat": 1,
            "timestamp": self._now(),
        }
        return await self._publish(EventName.PATIENT_ALERT, alert, scope)

    async def _scope(self, patient_id: PatientId) -> Scope:
        place = await self._registry.patient(patient_id)
        if place is None:
            raise NotFound("patient", patient_id)
        wards = (place.ward_id,) if place.ward_id else ()
        return Scope(hospital_id=place.hospital_id, ward_ids=wards, patient_id=patient_id)

    async def _publish(self, event: EventName, data: dict[str, Any], scope: Scope) -> str:
        assert scope.hospital_id is not None  # noqa: S101 - every scope above has one
        checked = _converted(cleaned(data), EVENTS[event].data)
        outcome = await self._inbox.submit(
            InboxRequest(
                hospital_id=scope.hospital_id,
                request_key=self._new_id(),
                kind=RequestKind.ANNOUNCE,
                payload=encode({"event": event, "data": checked, "scope": scope}),
                deadline=self._now() + self._wait,
            )
        )
        event_id: str = outcome.answer["event_id"]
        log.debug("published %s as event %s", event, event_id)
        return event_id


def realtime_events_of(request: Request) -> RealtimeEvents:
    """For `Depends`: the running hub's own."""
    events: RealtimeEvents = request.app.state.realtime_events
    return events


def _alone(name: str, value: object) -> object:
    """A vital's number where it stands under the vital's own name."""
    return value[name] if isinstance(value, Mapping) and value.keys() == {name} else value


def _converted(fields: Mapping[str, Any], kind: type[Checked]) -> Checked:
    try:
        return msgspec.convert(fields, kind, builtin_types=(Decimal,))  # a number is no text
    except (ValueError, ArithmeticError) as error:
        raise Invalid(str(error)[:300]) from error
