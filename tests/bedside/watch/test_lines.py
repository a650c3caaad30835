"""What is written where there is no terminal."""

from datetime import UTC

from bedside.watch.happenings import Happening, LinkLive, LinkLost, Missed, Received
from bedside.watch.lines import Lines
from tests.bedside.watch.samples import (
    CUFF,
    NOON,
    OXIMETER,
    REPLAYED,
    alert,
    disconnected,
    event,
    pong,
    received,
    status,
    vitals,
    ward,
)


def lines(*happenings: Happening | dict) -> list[str]:
    made = ward()
    writer = Lines(made)
    written = []
    for entry in happenings:
        happening = received(entry) if isinstance(entry, dict) else entry
        made.take(happening, NOON)
        written += writer.of(happening, NOON, UTC)
    return written


def test_a_message_is_a_line_with_time_bed_and_values():
    pressure = {"systolic": 150, "diastolic": 95}
    assert lines(vitals(heart_rate=88, spo2=97), vitals(device=CUFF, blood_pressure=pressure, seconds=1)) == [
        "12:00:00  bed 101  SpO2 97 %, HR 88 /min",
        "12:00:01  bed 101  BP 150/95 mmHg",
    ]


def test_missing_doubtful_late_and_test_values_say_so():
    missing = {"spo2": {"status": "missing", "reasons": ["no_finger"]}}
    doubtful = {"spo2": {"status": "questionable", "reasons": ["motion"]}}
    assert lines(
        vitals(spo2=None, quality=missing),
        vitals(spo2=97, quality=doubtful, seconds=1),
        vitals(spo2=97, late=True, seconds=2),
        vitals(spo2=12, test=True, seconds=3),
    ) == [
        "12:00:00  bed 101  SpO2 -- (no finger)",
        "12:00:01  bed 101  SpO2 97 % (doubtful: motion)",
        "12:00:02  bed 101  SpO2 97 % (late: measured 2026-11-25 12:00:02 UTC)",
        "12:00:03  bed 101  TEST SpO2 12 %",
    ]


def test_a_replay_is_told_once():
    written = lines(vitals(spo2=97, replayed=REPLAYED), vitals(spo2=98, replayed=REPLAYED, seconds=1))
    assert [line for line in written if "REPLAY" in line] == [
        "12:00:00  REPLAY at 240× speed: recorded, de-identified stays; nobody lies in these beds"
    ]


def test_alerts_notices_devices_and_movements_are_lines():
    moved = {"patient_id": "cleo", "ward_id": "icu", "bed": "103", "at": "2026-11-25T12:00:00Z", "by": "a"}
    assert lines(
        alert("High blood pressure detected: 150/95", repeat=7),
        event("hospital.emergency", {"message": "Fire", "severity": "critical"}),
        disconnected(OXIMETER, "link_lost"),
        status(OXIMETER, "offline"),
        disconnected(OXIMETER, "link_lost", late=True),
        status(CUFF, "online", faults=["low_battery"]),
        event("patient.admission", moved),
    ) == [
        "12:00:00  bed 101  ALERT warning: High blood pressure detected: 150/95 (×7)",
        "12:00:00  all      NOTICE critical: Fire",
        "12:00:00  bed 101  oximeter OX-101 offline (link lost)",
        "12:00:00  bed 101  oximeter OX-101 disconnected (link lost) (late: at 2026-11-25 12:00:00 UTC)",
        "12:00:00  bed 101  cuff BP-101 online: low battery",
        "12:00:00  bed 103  admission",
    ]


def test_links_are_told_when_they_change_and_not_again():
    assert lines(
        LinkLive(),
        LinkLost(problem="refused"),
        LinkLost(problem="refused"),
        LinkLive(),
        pong(),
        pong(upstream="redis_lost"),
        pong(upstream="redis_lost"),
        pong(),
        Missed(what="messages were missed"),
        Received(text="?", message=None),
    ) == [
        "12:00:00  the link to the hub is live",
        "12:00:00  THE LINK TO THE HUB IS LOST: refused",
        "12:00:00  the link to the hub is live",
        "12:00:00  the hub has lost Redis",
        "12:00:00  the road behind the hub is well",
        "12:00:00  messages were missed",
        "12:00:00  a message can't be read",
    ]
