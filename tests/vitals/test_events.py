import msgspec
import pytest

from vitals.events import EVENTS, EventName, PatientVitals, Scope, message_type, rooms_of
from vitals.identifiers import DeviceKey, DeviceType

CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="BP-1")
SCOPE = Scope(hospital_id="h", ward_ids=("w",), patient_id="p", device=CUFF)

ROUTES = {  # the contract's table "Rooms and events", written out once more by hand
    "patient.vitals.update": ("vitals_update", ["patient:p:vitals", "ward:h:w:vitals"]),
    "patient.alert": ("patient_alert", ["patient:p:alerts", "ward:h:w:alerts", "hospital:h:alerts"]),
    "patient.waveform": ("patient_waveform", ["patient:p:waveforms"]),
    "patient.status.change": ("patient_status_change", ["patient:p", "ward:h:w", "hospital:h"]),
    "patient.admission": ("patient_admission", ["patient:p", "ward:h:w", "hospital:h"]),
    "patient.discharge": ("patient_discharge", ["patient:p", "ward:h:w", "hospital:h"]),
    "device.data.update": ("device_data_update", ["device:blood_pressure_monitor:BP-1"]),
    "device.status.change": (
        "device_status_change",
        ["device:blood_pressure_monitor:BP-1:status", "hospital:h:devices"],
    ),
    "device.connected": ("device_connected", ["device:blood_pressure_monitor:BP-1:status", "hospital:h:devices"]),
    "device.disconnected": ("device_disconnected", ["device:blood_pressure_monitor:BP-1:status", "hospital:h:devices"]),
    "device.alert": (
        "device_alert",
        ["device:blood_pressure_monitor:BP-1:status", "hospital:h:devices", "patient:p:alerts", "ward:h:w:alerts"],
    ),
    "hospital.alert": ("hospital_alert", ["hospital:h:alerts"]),
    "hospital.capacity.update": ("hospital_capacity_update", ["hospital:h"]),
    "hospital.emergency": ("hospital_emergency", ["hospital:h:alerts", "hospital:h", "ward:h:w"]),
    "system.alert": ("system_alert", ["system:alerts"]),
    "system.maintenance": ("system_maintenance", ["system:alerts"]),
    "system.update": ("system_update", ["system:alerts"]),
    "admin.update": ("admin_update", ["admin:updates"]),
}


@pytest.mark.parametrize("event", EventName)
def test_an_event_goes_to_the_rooms_and_under_the_type_of_the_contract(event):
    assert (message_type(event), [str(room) for room in rooms_of(event, SCOPE)]) == ROUTES[event]


def test_the_catalogue_is_whole():
    assert set(EVENTS) == set(EventName) == set(ROUTES)


def test_rooms_without_an_identifier_in_the_scope_are_left_out():
    alone = Scope(hospital_id="h", device=CUFF)
    assert [str(room) for room in rooms_of(EventName.DEVICE_ALERT, alone)] == [
        "device:blood_pressure_monitor:BP-1:status",
        "hospital:h:devices",
    ]


def test_an_emergency_reaches_every_ward():
    rooms = rooms_of(EventName.HOSPITAL_EMERGENCY, Scope(hospital_id="h", ward_ids=("a", "b")))
    assert [str(room) for room in rooms][2:] == ["ward:h:a", "ward:h:b"]


def test_vitals_data_keeps_the_guides_flat_form_and_refuses_unknown_vitals():
    flat = {"patient_id": "p", "timestamp": "2026-11-24T12:00:00Z", "heart_rate": 72, "temperature": 36.5}
    encoded = msgspec.json.Encoder(decimal_format="number").encode(msgspec.convert(flat, PatientVitals))
    assert msgspec.json.decode(encoded) == flat
    with pytest.raises(msgspec.ValidationError, match="hart_rate"):
        msgspec.convert(flat | {"hart_rate": 1}, PatientVitals)
