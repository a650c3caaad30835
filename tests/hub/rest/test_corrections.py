"""Correcting what a device sent, which is often more than one vital sign."""

import pytest

from bedside.services.mosquitto import Mosquitto
from tests.hub.ingest.support import entries, gateway, now
from tests.hub.rest.conftest import WholeHub
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, measured_value

OXIMETER = DeviceKey(device_type=DeviceType.PULSE_OXIMETER, device_id="oximeter-1")
CUFF = DeviceKey(device_type=DeviceType.BLOOD_PRESSURE_MONITOR, device_id="cuff-1")
SENT = {
    "oximeter": (
        OXIMETER,
        Vital.SPO2,
        {Parameter.SPO2: 90, Parameter.OXIMETER_PULSE_RATE: 70, Parameter.PERFUSION_INDEX: 2},
        {"spo2": 90, "heart_rate": 70, "perfusion_index": 2},
        {"spo2": 98},
    ),
    "cuff": (
        CUFF,
        Vital.BLOOD_PRESSURE,
        {Parameter.SYSTOLIC: 120, Parameter.DIASTOLIC: 80, Parameter.CUFF_PULSE_RATE: 70},
        {"systolic": 120, "diastolic": 80, "pulse_rate": 70},
        {"systolic": 125.5},
    ),
}


@pytest.mark.parametrize(("device", "data_type", "numbers", "shown", "changed"), SENT.values(), ids=SENT.keys())
async def test_a_correction_keeps_what_was_measured_along(
    hub: WholeHub, mosquitto_server: Mosquitto, device, data_type, numbers, shown, changed
):
    at = now()
    values = tuple(measured_value(parameter, number) for parameter, number in numbers.items())
    reading = Reading(device=device, data_type=data_type, values=values, measured=at, received=at, raw=b"")
    async with gateway(mosquitto_server.port) as one:
        await one.send(*entries([reading]))
        assert (await one.acknowledgement()).rejected == []
    path = f"/devices/{device.device_type}/{device.device_id}/data"
    (old,) = (await hub.get(path)).json()["data"]
    assert old["values"] == shown
    answer = await hub.http.patch(f"{path}/{old['reading_id']}", json={"values": changed}, headers=hub.headers())
    assert answer.status_code == 200, answer.text
    (new,) = (await hub.get(path)).json()["data"]
    assert new["values"] == shown | changed
