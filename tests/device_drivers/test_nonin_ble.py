"""Nonin's 3230 and 3150 over Bluetooth LE."""

from datetime import datetime
from decimal import Decimal

import pytest

from device_drivers import uuids
from device_drivers.advertisement import Advertisement
from device_drivers.oximeters import nonin_ble
from device_drivers.registry import DRIVERS, drivers_for
from device_drivers.sessions import (
    Bond,
    Command,
    LinkEstablished,
    ReadValue,
    ReportRefused,
    ReportStatus,
    Session,
    SubscribeTo,
    ValueReceived,
)
from tests.device_drivers.nonin_talk import reasons
from tests.device_drivers.samples import NOON, context, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reason


def ble(**options: bool) -> Session:
    return DRIVERS["nonin-ble"].session(context(**options))


def notify(session: Session, *, at: datetime = NOON, **fields: object) -> list[Command]:
    plain = {"spo2": 97, "pulse_rate": 70, "pai": Decimal("2.5"), "battery_volts": Decimal("2.9"), "counter": 1}
    said = nonin_ble.ContinuousOximetry(**{**plain, "correct_check": True, **fields})  # type: ignore[arg-type]
    event = ValueReceived(at=at, characteristic=nonin_ble.CONTINUOUS_OXIMETRY, data=bytes(said))
    return list(session.handle(event))


def test_a_3230_is_subscribed_to_and_its_battery_read():
    present = frozenset({nonin_ble.CONTINUOUS_OXIMETRY, nonin_ble.CONTROL_POINT, uuids.BATTERY_LEVEL})
    subscribed = [
        SubscribeTo(characteristic=nonin_ble.CONTINUOUS_OXIMETRY),
        ReadValue(characteristic=uuids.BATTERY_LEVEL),
    ]
    assert ble().handle(LinkEstablished(at=NOON, characteristics=present)) == subscribed
    assert ble(bond=True).handle(LinkEstablished(at=NOON, characteristics=present)) == [Bond(), *subscribed]
    assert ble().handle(LinkEstablished(at=NOON)) == subscribed[:1]


def test_a_batterys_level_is_said_with_its_fault():
    session = ble()
    notify(session, low_battery=True)
    level = ValueReceived(at=NOON, characteristic=uuids.BATTERY_LEVEL, data=b"\x0a")
    assert session.handle(level) == [ReportStatus(at=NOON, battery_percent=10, faults=("low_battery",))]
    broken = ValueReceived(at=NOON, characteristic=uuids.BATTERY_LEVEL, data=b"\x65")
    assert session.handle(broken) == [ReportRefused(at=NOON, reason="battery_out_of_range", discarded=1)]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"correct_check": False}, Reason.NO_FINGER),
        ({"searching": True}, Reason.SEARCHING),
        ({}, Reason.NOT_MEASURED),
    ],
)
def test_a_3230_without_numbers_says_why(flags, reason):
    (reading,) = readings(notify(ble(), spo2=None, pulse_rate=None, **flags))
    assert reasons(reading) == (reason,)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"correct_check": False}, Reason.IMPROPER_POSITION),
        ({"searching": True}, Reason.SEARCHING),
        ({"weak_signal": True}, Reason.WEAK_SIGNAL),
    ],
)
def test_a_3230s_number_in_doubt_keeps_the_reason(flags, reason):
    (reading,) = readings(notify(ble(), **flags))
    assert {(value.quality, value.reasons) for value in reading.values} == {(Quality.QUESTIONABLE, (reason,))}


def test_the_pulse_amplitude_index_is_a_value_only_with_the_option():
    (plain,) = readings(notify(ble()))
    assert plain.value(Parameter.PERFUSION_INDEX) is None
    (more,) = readings(notify(ble(unverified=True)))
    assert more.value(Parameter.PERFUSION_INDEX).number == Decimal("2.5")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pai": Decimal("20.01")}, Reason.OUT_OF_RANGE),
        ({"spo2": None, "pulse_rate": None, "pai": Decimal(0), "searching": True}, Reason.SEARCHING),
    ],
)
def test_an_index_beyond_its_range_or_without_a_pulse_is_none(fields, reason):
    (reading,) = readings(notify(ble(unverified=True), **fields))
    index = reading.value(Parameter.PERFUSION_INDEX)
    assert index is not None
    assert (index.number, index.reasons) == (None, (reason,))


def test_a_notification_that_is_cut_is_refused():
    event = ValueReceived(at=NOON, characteristic=nonin_ble.CONTINUOUS_OXIMETRY, data=bytes.fromhex("0a041d00"))
    assert ble().handle(event) == [ReportRefused(at=NOON, reason="truncated", discarded=4)]


@pytest.mark.parametrize(
    ("name", "services"),
    [
        ("Nonin3230_500000001", frozenset()),
        ("Nonin3150_500000001", frozenset()),
        (None, frozenset({nonin_ble.SERVICE})),
    ],
)
def test_a_nonin_is_known_by_its_name_or_by_its_service(name, services):
    advertisement = Advertisement(address="00:11:22:33:44:55", name=name, services=services)
    assert [driver.key for driver in drivers_for(advertisement)] == ["nonin-ble"]
