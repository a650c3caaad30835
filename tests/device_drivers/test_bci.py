"""What BCI oximeters say when they have no number, and what becomes of their waveform."""

from decimal import Decimal

import pytest

from device_drivers.advertisement import Advertisement
from device_drivers.framing import IN_A_ROW
from device_drivers.oximeters import bci
from device_drivers.registry import DRIVERS, drivers_for
from device_drivers.sessions import LinkEstablished, SubscribeTo
from tests.device_drivers.families.bci import unit
from tests.device_drivers.nonin_talk import chunks, reasons, sent, started
from tests.device_drivers.samples import NOON, OXIMETER, after, context, feed, readings
from vitals.readings import Quality, Reason

NUMBERS = {"spo2": 97, "pulse_rate": 70, "pleth": 50, "bargraph": 5, "signal_strength": 7}
NOTHING = {"spo2": None, "pulse_rate": None, "pleth": 0, "bargraph": 0, "signal_strength": 0}


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"no_finger": True, "no_signal": True, "searching": True}, Reason.NO_FINGER),
        ({"probe_unplugged": True}, Reason.SENSOR_DISCONNECTED),
        ({"searching": True}, Reason.SEARCHING),
        ({"no_signal": True}, Reason.WEAK_SIGNAL),
        ({}, Reason.NOT_MEASURED),
    ],
)
def test_a_frame_without_numbers_says_why(flags, reason):
    (reading,) = readings(feed(started("bci-serial"), *[bytes(bci.DataPacket(**NOTHING, **flags))] * IN_A_ROW))
    assert reasons(reading) == (reason,)
    assert all(value.number is None for value in reading.values)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"searching": True}, Reason.SEARCHING),
        ({"no_signal": True}, Reason.WEAK_SIGNAL),
        ({"probe_unplugged": True}, Reason.SENSOR_DISCONNECTED),
    ],
)
def test_a_number_in_doubt_is_kept_with_the_reason(flags, reason):
    """Also beside the bit that is "probe unplugged" for one maker and "SpO2 dropping" for another."""
    reading = bci.DataPacket(**NUMBERS, **flags).reading(OXIMETER, raw=b"", at=NOON)
    assert [value.number for value in reading.values] == [Decimal(97), Decimal(70)]
    assert {(value.quality, value.reasons) for value in reading.values} == {(Quality.QUESTIONABLE, (reason,))}


def test_numbers_that_are_shown_without_a_finger_are_not_the_patients():
    reading = bci.DataPacket(**NUMBERS, no_finger=True).reading(OXIMETER, raw=b"", at=NOON)
    assert all(value.number is None for value in reading.values)


def test_a_zero_is_never_a_number():
    reading = bci.DataPacket(**{**NUMBERS, "spo2": 0, "pulse_rate": 0}).reading(OXIMETER, raw=b"", at=NOON)
    assert all(value.number is None for value in reading.values)


def test_a_finger_that_leaves_is_said_at_once():
    session = started("bci-serial")
    feed(session, *[unit(97)] * IN_A_ROW)
    gone = bytes(bci.DataPacket(**NOTHING, no_finger=True))
    assert len(readings(feed(session, gone, gone, at=after(0.01)))) == 1


def test_half_a_second_of_samples_makes_a_chunk_and_none_are_missing_values():
    session = started("bci-serial")
    samples = [*range(1, 41), *[0] * 10]
    frames = [bytes(bci.DataPacket(**{**NUMBERS, "pleth": sample})) for sample in samples]
    (chunk,) = chunks(feed(session, *frames))
    assert (chunk.rate_hz, chunk.low, chunk.high, chunk.gap_before) == (100, 0, 100, False)
    assert chunk.samples == (*range(1, 41), *[None] * 10)


def test_lost_bytes_are_a_gap_in_the_waveform():
    session = started("bci-serial")
    first = feed(session, *[unit(97)] * 10, unit(97)[:3] + unit(97), *[unit(97)] * 49)
    ended, following = chunks(first)
    assert (len(ended.samples), ended.gap_before) == (10, False)
    assert (len(following.samples), following.gap_before) == (50, True)


@pytest.mark.parametrize("said", [{"pleth": 128}, {"bargraph": 16}, {"spo2": 127}, {"pulse_rate": 255}, {"spo2": -1}])
def test_what_does_not_fit_is_not_encoded(said):
    with pytest.raises(ValueError, match=next(iter(said))):
        bytes(bci.DataPacket(**{**NUMBERS, **said}))


def test_nothing_is_said_to_a_berry_but_that_it_is_listened_to():
    session = DRIVERS["berry-ble"].session(context())
    commands = session.handle(LinkEstablished(at=NOON, characteristics=frozenset({bci.BERRY_NOTIFY})))
    assert commands == [SubscribeTo(characteristic=bci.BERRY_NOTIFY)]
    assert sent(started("bci-serial").handle(LinkEstablished(at=NOON))) == []


def test_a_berry_is_known_by_its_name_and_not_by_the_service_that_others_have_too():
    def found(name: str | None) -> list[str]:
        advertised = Advertisement(address="00:A0:50:00:00:01", name=name, services=frozenset({bci.BERRY_SERVICE}))
        return [driver.key for driver in drivers_for(advertised)]

    assert found("BerryMed") == ["berry-ble"]
    assert "berry-ble" not in found("HM-10")
