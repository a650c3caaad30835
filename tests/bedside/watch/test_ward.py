"""What a screen knows after what has happened to it."""

from datetime import timedelta

import pytest

from bedside.watch.ages import Freshness
from bedside.watch.answers import Bed
from bedside.watch.bed_state import LOW_BATTERY_PERCENT
from bedside.watch.happenings import BedsRead, HistoryRead, LinkLive, LinkLost, Missed, ReadingsRead, Received
from bedside.watch.messages import message_of, signs_of
from bedside.watch.picture import BedPicture, LinkState, Picture, ValuePicture
from bedside.watch.ward import NOTICE_SECONDS, Ward
from tests.bedside.watch.samples import (
    ANN,
    BEDS,
    BEN,
    CUFF,
    NOON,
    OTHER_OXIMETER,
    OXIMETER,
    REPLAYED,
    alert,
    at,
    disconnected,
    event,
    pong,
    received,
    status,
    view,
    vitals,
    ward,
)
from vitals.parameters import Vital


def bed(picture: Picture, label: str) -> BedPicture:
    return next(bed for bed in picture.beds if bed.label == label)


def value(made: Ward, seconds: float, vital: Vital = Vital.SPO2) -> ValuePicture:
    return bed(made.picture(at(seconds)), "101").values[vital]


def recorded(**members) -> ReadingsRead:
    return ReadingsRead(signs=signs_of(message_of(vitals(**members)).data))


# Values


def test_a_value_stands_at_its_patients_bed_with_unit_time_and_device():
    shown = value(ward(vitals(spo2=97)), 3)
    assert (shown.number, shown.unit, shown.measured, shown.device_id) == (97, "%", NOON, "OX-101")
    assert (shown.age_seconds, shown.freshness) == (3, Freshness.FRESH)
    assert bed(ward(vitals(spo2=97)).picture(NOON), "102").values == {}


def test_ages_go_on_without_messages():
    made = ward(vitals(spo2=97))
    assert [value(made, seconds).freshness for seconds in (10, 11, 61)] == [
        Freshness.FRESH,
        Freshness.STALE,
        Freshness.GONE,
    ]


def test_a_missing_value_stands_instead_of_the_number_before_it():
    """The last number of a sensor that has fallen off is no value of now."""
    missing = vitals(spo2=None, seconds=1, quality={"spo2": {"status": "missing", "reasons": ["no_finger"]}})
    made = ward(vitals(spo2=97), missing, seconds=1)
    assert value(made, 1).number is None
    assert bed(made.picture(at(4)), "101").troubles == ("no SpO2: no finger 3 s",)


def test_how_long_a_value_is_missing_counts_from_its_first_missing():
    quality = {"spo2": {"status": "missing", "reasons": ["no_finger"]}}
    made = ward(*[vitals(spo2=None, seconds=second, quality=quality) for second in range(8)], seconds=7)
    assert bed(made.picture(at(7)), "101").troubles == ("no SpO2: no finger 7 s",)


def test_a_missing_value_keeps_its_reason_until_nothing_at_all_is_shown():
    quality = {"spo2": {"status": "missing", "reasons": ["no_finger"]}}
    made = ward(vitals(spo2=None, quality=quality))
    assert bed(made.picture(at(30)), "101").troubles == ("no SpO2: no finger 30 s",)
    assert bed(made.picture(at(90)), "101").troubles == ("no SpO2 for 90 s",)


def test_an_older_value_never_replaces_a_newer_one():
    made = ward(vitals(spo2=97, seconds=10), vitals(spo2=80, seconds=2, late=True), seconds=10)
    made.take(recorded(spo2=81, seconds=1), at(10))
    assert value(made, 10).number == 97


def test_a_late_value_that_is_the_newest_known_is_shown_with_its_age():
    made = ward(vitals(spo2=97, seconds=-50, late=True))
    assert (value(made, 0).number, value(made, 0).freshness) == (97, Freshness.STALE)


def test_a_live_value_stands_even_where_its_gateways_clock_was_set_back():
    made = ward(vitals(spo2=97, seconds=30), vitals(spo2=85, seconds=2), seconds=3)
    assert value(made, 3).number == 85


def test_a_clock_that_runs_ahead_keeps_no_value_fresh():
    made = ward(vitals(spo2=97, seconds=3600))
    assert value(made, 11).freshness is Freshness.STALE


def test_ages_are_by_the_hubs_clock_where_ours_is_wrong():
    made = Ward(NOON)
    made.take(BedsRead(view=view()), NOON)
    made.take(LinkLive(), NOON)
    made.take(received(pong(seconds=-300)), NOON)  # our clock is five minutes ahead
    made.take(received(vitals(spo2=97, seconds=-302)), NOON)
    assert value(made, 1).age_seconds == 3
    assert made.picture(at(1)).at == at(-299)


def test_test_values_never_stand_in_for_real_ones():
    made = ward(vitals(spo2=97), vitals(spo2=12, seconds=1, test=True), seconds=1)
    assert value(made, 1).number == 97
    assert made.picture(at(1)).warnings == ("TEST values for bed 101, not measured: SpO2 12",)
    assert made.picture(at(2 + NOTICE_SECONDS)).warnings == ()


def test_a_doubtful_value_says_why():
    made = ward(vitals(spo2=97, quality={"spo2": {"status": "questionable", "reasons": ["motion", "low_perfusion"]}}))
    assert bed(made.picture(NOON), "101").troubles == ("SpO2 doubtful: motion, low perfusion",)


def test_values_of_patients_that_lie_nowhere_here_are_not_kept():
    made = ward(vitals("stranger", spo2=97))
    assert all(not shown.values for shown in made.picture(NOON).beds)


def test_a_patient_who_leaves_takes_their_values_along():
    made = ward(vitals(spo2=97))
    made.take(BedsRead(view=view(Bed(ward_id="icu", bed="101", patient_id="cleo"))), NOON)
    assert bed(made.picture(NOON), "101").values == {}
    made.take(BedsRead(view=view()), NOON)
    assert bed(made.picture(NOON), "101").values == {}


def test_a_bed_says_from_where_in_a_recording_its_values_come():
    picture = ward(vitals(spo2=97, replayed=REPLAYED)).picture(NOON)
    assert bed(picture, "101").replayed.recording == "27411876"
    assert picture.speeds == (240.0,)
    assert ward(vitals(spo2=97)).picture(NOON).speeds == ()


# Beds


def test_beds_come_in_their_natural_order_and_carry_their_ward_where_there_are_several():
    beds = [Bed(ward_id="icu", bed=name, patient_id=None) for name in ("10", "9", "B2")]
    assert [shown.label for shown in ward(beds=tuple(beds)).picture(NOON).beds] == ["9", "10", "B2"]
    beds.append(Bed(ward_id="er", bed="1", patient_id=None))
    labels = [shown.label for shown in ward(beds=tuple(beds)).picture(NOON).beds]
    assert labels == ["er/1", "icu/9", "icu/10", "icu/B2"]


# Devices


def test_a_device_that_is_lost_is_told_with_its_reason_and_since_when():
    made = ward(disconnected(OXIMETER, "link_lost", seconds=1), status(OXIMETER, "offline", seconds=1), seconds=1)
    assert bed(made.picture(at(41)), "101").troubles == ("oximeter: offline 40 s (link lost)",)


def test_a_device_that_sleeps_is_no_trouble():
    made = ward(disconnected(CUFF, "sleeping"), status(CUFF, "idle"))
    assert bed(made.picture(NOON), "101").troubles == ()


def test_devices_whose_gateway_is_gone_are_told_together():
    made = ward(status(OXIMETER, "gateway_offline"), status(CUFF, "gateway_offline"))
    assert bed(made.picture(at(9)), "101").troubles == ("cuff, oximeter: gateway offline",)


def test_faults_and_a_low_battery_are_told():
    made = ward(status(CUFF, "idle", faults=["low_battery"], battery=LOW_BATTERY_PERCENT))
    assert bed(made.picture(NOON), "101").troubles == ("cuff: low battery", f"cuff battery {LOW_BATTERY_PERCENT} %")


def test_a_value_that_stops_coming_from_a_linked_device_is_told():
    made = ward(vitals(spo2=97, heart_rate=70), vitals(BEN, device=OTHER_OXIMETER, spo2=98))
    made.take(received(vitals(BEN, device=OTHER_OXIMETER, spo2=98, seconds=20)), at(20))
    assert bed(made.picture(at(20)), "101").troubles == ("no SpO2, HR for 20 s",)


def test_a_late_or_test_device_event_changes_nothing():
    made = ward(disconnected(OXIMETER, "link_lost", late=True), {**status(OXIMETER, "offline"), "test": True})
    assert bed(made.picture(NOON), "101").troubles == ()


def test_what_was_told_of_a_device_stands_against_what_was_read_meanwhile():
    """The answer to a question may be older than a message that came while it was on its way."""
    made = ward(status(OXIMETER, "offline", seconds=2), seconds=2)
    made.take(BedsRead(view=view()), at(3))
    assert [device.status for device in bed(made.picture(at(3)), "101").devices] == ["idle", "offline"]


def test_after_a_new_link_what_is_read_of_a_device_stands():
    made = ward(status(OXIMETER, "offline", seconds=2), seconds=2)
    made.take(LinkLost(problem="x"), at(3))
    made.take(LinkLive(), at(4))
    made.take(BedsRead(view=view()), at(4))
    assert [device.status for device in bed(made.picture(at(4)), "101").devices] == ["idle", "online"]


# Alerts


def test_the_measurement_that_raised_an_alert_is_marked_until_the_next_one():
    pressure = {"systolic": 150, "diastolic": 95}
    made = ward(vitals(device=CUFF, blood_pressure=pressure, pulse_rate=80), alert())
    assert value(made, 0, Vital.BLOOD_PRESSURE).alert == "warning"
    assert value(made, 0, Vital.PULSE_RATE).alert is None
    calm = {"systolic": 120, "diastolic": 80}
    made.take(received(vitals(device=CUFF, blood_pressure=calm, seconds=60)), at(60))
    assert value(made, 60, Vital.BLOOD_PRESSURE).alert is None


def test_an_episode_is_one_line_with_its_latest_alert():
    made = ward(alert("High 150/95"), alert("High 160/99", seconds=5, repeat=2), seconds=5)
    (line,) = made.picture(at(5)).alerts
    assert (line.message, line.repeat, line.bed, line.age_seconds) == ("High 160/99", 2, "101", 0)


def test_an_older_alert_of_an_episode_changes_nothing():
    made = ward(alert("newer", seconds=5, repeat=2), seconds=5)
    made.take(HistoryRead(events=(message_of(alert("older")),)), at(5))
    assert [line.message for line in made.picture(at(5)).alerts] == ["newer"]


def test_alerts_come_recent_first_then_by_severity_then_by_age():
    made = ward(
        alert("old and critical", seconds=-600, episode="a", severity="critical"),
        alert("warning", seconds=-20, episode="b"),
        alert("newer warning", seconds=-10, episode="c"),
        alert("critical", seconds=-30, episode="d", severity="critical"),
        alert("info", seconds=-1, episode="e", severity="info"),
        alert("gone", seconds=-3700, episode="f"),
        alert("of a severity that is new", seconds=-40, episode="g", severity="dire"),
    )
    assert [line.message for line in made.picture(NOON).alerts] == [
        "of a severity that is new",
        "critical",
        "newer warning",
        "warning",
        "info",
        "old and critical",
    ]


def test_a_test_alert_is_marked_and_marks_no_value():
    made = ward(vitals(device=CUFF, blood_pressure={"systolic": 150, "diastolic": 95}), alert(test=True))
    assert made.picture(NOON).alerts[0].test
    assert value(made, 0, Vital.BLOOD_PRESSURE).alert is None


def test_notices_of_the_hospital_and_the_system_are_told_without_a_bed():
    made = ward(
        event("hospital.emergency", {"hospital_id": "h", "severity": "critical", "message": "Fire", "data": {}})
    )
    (line,) = made.picture(NOON).alerts
    assert (line.message, line.bed, line.kind) == ("Fire", None, "notice")


# Links


def test_a_lost_link_says_so_and_for_how_long():
    made = ward(vitals(spo2=97))
    made.take(LinkLost(problem="Connection refused"), at(1))
    picture = made.picture(at(13))
    assert picture.link.state is LinkState.LOST
    assert picture.warnings == ("LINK TO THE HUB LOST for 12 s, nothing here is new: Connection refused",)
    made.take(LinkLost(problem="still"), at(14))
    assert made.picture(at(21)).link.seconds == 20
    made.take(LinkLive(), at(22))
    assert made.picture(at(22)).link.state is LinkState.LIVE


def test_a_link_that_fell_silent_was_lost_when_the_last_word_came():
    made = ward()
    made.take(LinkLost(problem="silent", silent_seconds=6), at(10))
    assert made.picture(at(10)).link.seconds == 6


@pytest.mark.parametrize(
    ("upstream", "words"),
    [("redis_lost", "THE HUB HAS LOST REDIS for 4 s"), ("ingest_lost", "THE HUB TAKES IN NO READINGS for 4 s")],
)
def test_what_is_lost_behind_the_hub_is_told(upstream: str, words: str):
    made = ward(pong(seconds=1, upstream=upstream), seconds=1)
    assert made.picture(at(5)).warnings[0].startswith(words)
    made.take(received(pong(seconds=6)), at(6))
    assert made.picture(at(6)).warnings == ()


def test_the_silence_of_all_beds_is_told_once_and_not_bed_by_bed():
    made = ward(vitals(spo2=97), vitals(BEN, device=OTHER_OXIMETER, spo2=98))
    picture = made.picture(at(15))
    assert picture.silent
    assert picture.warnings == ("NO READINGS FROM ANY BED for 15 s: gateway, broker or network may be lost",)
    assert all(shown.troubles == () for shown in picture.beds)


def test_a_cuff_that_still_speaks_is_no_silence():
    made = ward(vitals(spo2=97), vitals(BEN, device=OTHER_OXIMETER, spo2=98))
    made.take(received(vitals(device=CUFF, blood_pressure={"systolic": 120, "diastolic": 80}, seconds=14)), at(14))
    assert not made.picture(at(15)).silent


def test_oximeters_that_were_taken_away_are_no_silence():
    made = ward(vitals(spo2=97), vitals(BEN, device=OTHER_OXIMETER, spo2=98))
    for device in (OXIMETER, OTHER_OXIMETER):
        made.take(received(status(device, "offline", seconds=1)), at(1))
    assert not made.picture(at(900)).silent


def test_what_was_missed_is_told_for_a_while():
    made = ward()
    made.take(Missed(what="messages were missed"), NOON)
    assert made.picture(at(NOTICE_SECONDS)).warnings == ("messages were missed",)
    assert made.picture(at(NOTICE_SECONDS + 1)).warnings == ()


def test_messages_that_can_not_be_read_are_counted():
    made = ward()
    made.take(Received(text="?", message=None), NOON)
    assert made.picture(NOON).unreadable_messages == 1


def test_before_the_first_link_nothing_is_claimed():
    picture = Ward(NOON).picture(NOON + timedelta(seconds=2))
    assert (picture.link.state, picture.beds, picture.alerts) == (LinkState.CONNECTING, (), ())
    assert picture.warnings == ("connecting to the hub for 2 s",)


def test_the_beds_of_patients_and_devices_are_known_by_their_labels():
    made = ward()
    assert (made.bed_of(ANN), made.bed_of("stranger")) == ("101", None)
    assert (made.bed_of_device(*CUFF.key), made.bed_of_device("scale", "x")) == ("101", None)
    assert len(made.picture(NOON).beds) == len(BEDS)
