"""Damaged bytes on every kind of serial line and characteristic: counted with a reason, told where it should be, and the road goes on."""

import asyncio
import itertools
import json
from dataclasses import dataclass

import httpx
import pytest

from edge_agent import status
from edge_agent.status import DeviceReport
from simulators.damage import Fault
from simulators.plan import CUFF, THERMOMETER, PlannedDevice, default_plan
from tests.end_to_end.clients import WAIT_SECONDS, has, message_with, subscribed, watched
from tests.end_to_end.road import Road
from tests.support.waiting import eventually
from vitals.rooms import AUTO_SUBSCRIPTIONS

pytestmark = pytest.mark.slow

CONTEC = "contec-v7"
REASONS = {
    CONTEC: dict.fromkeys(Fault, "not_a_packet"),
    "nonin-df2": dict.fromkeys(Fault, "not_a_packet"),
    "nonin-df8": dict.fromkeys(Fault, "not_a_frame"),
    CUFF: {
        Fault.GARBAGE: "oversized",
        Fault.TRUNCATED: "truncated",
        Fault.OVERSIZED: "oversized",
        Fault.MID_FRAME: "absurd_pressure",
    },
    THERMOMETER: {
        Fault.GARBAGE: "oversized",
        Fault.TRUNCATED: "truncated",
        Fault.OVERSIZED: "oversized",
        Fault.MID_FRAME: "absurd_temperature",
    },
}
"""Under which the agent counts the damage."""
_different = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Bedside:
    """One device of the demo's own plan, and whose it is."""

    device: PlannedDevice
    patient_id: str

    @classmethod
    def of(cls, model: str, *, place: int = 0) -> "Bedside":
        found = [
            cls(device=device, patient_id=bed.patient_id)
            for bed in default_plan().beds
            for device in bed.devices
            if device.model == model
        ]
        return found[place]

    @property
    def key(self) -> str:
        return f"{self.device.device_type}:{self.device.device_id}"

    @property
    def room(self) -> str:
        return f"device:{self.key}"

    def report(self, road: Road) -> DeviceReport:
        """What the agent says of it."""
        report = status.read(road.layout.gateway_state)
        assert report is not None
        return report.devices[self.key]

    async def tell(self, road: Road, do: str, **more: object) -> None:
        await road.order(do=do, device_id=self.device.device_id, **more)

    async def measures(self, road: Road) -> dict[str, object]:
        """Let it measure what it has not measured before; the values that a client is to see."""
        more = next(_different) % 8
        if self.device.model == CUFF:
            await self.tell(road, "measure", systolic=110 + more, diastolic=77)
            return {"systolic": 110 + more, "diastolic": 77}
        if self.device.model == THERMOMETER:
            await self.tell(road, "measure", temperature=36.5 + more / 10)
            return {"temperature": 36.5 + more / 10}
        await self.tell(road, "see", spo2=90 + more, pulse_rate=77)
        return {"spo2": 90 + more}


async def alerts(road: Road, room: str) -> list[str]:
    """The messages of the technical alarms that a room remembers."""
    async with httpx.AsyncClient(base_url=road.hub, headers=road.headers) as client:
        answer = await client.get(f"/realtime/history/{room}", params={"limit": 1000})
    messages = answer.json()["data"]["messages"]
    return [message["data"]["message"] for message in messages if message["event"] == "device.alert"]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("model", REASONS)
async def test_damage_is_counted_with_its_reason_and_the_next_good_reading_arrives(
    road: Road, model: str, fault: Fault
):
    one, reason = Bedside.of(model), REASONS[model][fault]
    before = one.report(road)
    async with asyncio.timeout(WAIT_SECONDS), subscribed(road, [one.room]) as socket:
        good = await one.measures(road)
        await one.tell(road, "spoil", fault=fault)  # of what it said last
        await eventually(lambda: one.report(road).refused.get(reason, 0) > before.refused.get(reason, 0), seconds=20)
        after = one.report(road)
        assert after.discarded_bytes > before.discarded_bytes
        assert set(after.refused) <= set(REASONS[model].values())
        good = await one.measures(road)
        message = await message_with(socket, "device_data_update", values=good)
    assert message["data"]["device_id"] == one.device.device_id

    async def told() -> bool:
        return f"{one.device.device_id}: {reason}" in await alerts(road, f"{one.room}:status")

    await eventually(told)


@pytest.mark.parametrize(("model", "fault"), [(CONTEC, Fault.GARBAGE), (CUFF, Fault.TRUNCATED)])
async def test_damage_is_told_to_those_who_watch_the_patient_the_device_and_the_hospital(
    road: Road, model: str, fault: Fault
):
    """Once a minute at most for each reason: these devices are damaged by no other test."""
    one = Bedside.of(model, place=1)
    rooms = [f"patient:{one.patient_id}:alerts", f"{one.room}:status", f"hospital:{road.ready['hospital_id']}:devices"]
    async with asyncio.timeout(WAIT_SECONDS), subscribed(road, rooms) as socket:
        await one.measures(road)
        await one.tell(road, "spoil", fault=fault)
        told = [await message_with(socket, "device_alert", device_id=one.device.device_id) for _ in rooms]
    assert {message["room"] for message in told} == set(rooms)
    assert len({message["event_id"] for message in told}) == 1
    data = told[0]["data"]
    assert (data["kind"], data["patient_id"]) == ("technical", one.patient_id)
    assert data["message"] == f"{one.device.device_id}: {REASONS[model][fault]}"


async def test_bytes_that_are_a_measurement_of_nothing_raise_no_alarm_of_the_patient(road: Road):
    """FLOAT's largest and smallest exponents, a cuff's NaN in every field, and no bytes at all."""
    cuff, thermometer = Bedside.of(CUFF), Bedside.of(THERMOMETER)
    said = {thermometer: ("00ffff7f7f", "00ffff7f80", ""), cuff: ("00ff07ff07ff07", "")}
    rooms = len(AUTO_SUBSCRIPTIONS["patient"])
    async with (
        asyncio.timeout(2 * WAIT_SECONDS),
        watched(road, f"patient/{cuff.patient_id}", rooms=rooms) as socket,
    ):
        for one, values in said.items():
            for value in values:
                await one.tell(road, "bytes", hex=value)
        good = [{"blood_pressure": await cuff.measures(road)}, await thermometer.measures(road)]
        seen: list[dict] = []
        while not all(any(has(message["data"], vital) for message in seen) for vital in good):
            message = json.loads(await socket.recv())
            seen += [message] if "data" in message else []
    raised = [message["data"]["data"] for message in seen if message["type"] == "patient_alert"]
    assert [data for data in raised if None in data.values()] == []


async def test_no_driver_failed_and_no_program_left_a_trace(road: Road):
    """After everything above, in the logs of all that runs."""
    logs = {path.name: path.read_text(encoding="utf-8", errors="replace") for path in road.layout.logs.glob("*.log")}
    assert {"agent.log", "hub.log", "ward.log"} <= logs.keys()
    assert [name for name, text in logs.items() if "Traceback" in text or "driver failed" in text] == []
