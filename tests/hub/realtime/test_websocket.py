"""The guide's WebSocket endpoints against a real client, on a real Redis."""



from tests.support.hub import PATIENT, LiveHub, receive

VITALS = f"patient:{PATIENT}:vitals"


async def test_a_patients_endpoint_subscribes_to_the_guides_three_rooms(hub: LiveHub):
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}") as client:
        answers = [await receive(client) for _ in range(3)]
    assert [answer["room"] for answer in answers] == [f"patient:{PATIENT}", VITALS, f"patient:{PATIENT}:alerts"]
    assert {(answer["type"], answer["status"]) for answer in answers} == {("subscription", "subscribed")}


async def test_a_test_event_reaches_a_subscriber_as_the_guide_shows(hub: LiveHub):
    async with hub.connect(f"/realtime/ws/patient/{PATIENT}") as client:
        for _ in range(3):
            await receive(client)
        answer = await hub.test_publish(
            event_type="patient.vitals.update",
            patient_id=PATIENT,
            vitals={"blood_pressure": {"systolic": 120, "diastolic": 80}, "heart_rate": 72, "temperature": 36.5},
        )
        assert answer.status_code == 200, answer.text
        message = await receive(client, until="vitals_update")
    assert message["data"]["heart_rate"] == 72
    assert message["data"]["blood_pressure"] == {"systolic": 120, "diastolic": 80}
    assert message["test"] is True
    assert message["event_id"] == answer.json()["data"]["event_id"]
