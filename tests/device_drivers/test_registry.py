"""Which driver takes which device."""

import pytest

from device_drivers.advertisement import Advertisement
from device_drivers.driver import Transport
from device_drivers.errors import UnknownDriver
from device_drivers.registry import DRIVERS, driver, drivers_for
from device_drivers.uuids import BLOOD_PRESSURE_SERVICE, HEALTH_THERMOMETER_SERVICE, PULSE_OXIMETER_SERVICE


def advertisement(*services: str) -> Advertisement:
    return Advertisement(address="00:11:22:33:44:55", name=None, services=frozenset(services))


def test_a_device_is_known_by_the_service_that_it_advertises():
    assert [taken.key for taken in drivers_for(advertisement(BLOOD_PRESSURE_SERVICE))] == ["sig-blood-pressure"]
    assert drivers_for(advertisement()) == ()


def test_a_device_that_several_drivers_would_take_shows_them_all():
    both = drivers_for(advertisement(BLOOD_PRESSURE_SERVICE, HEALTH_THERMOMETER_SERVICE))
    assert {taken.key for taken in both} == {"sig-blood-pressure", "sig-health-thermometer"}


def test_whether_an_oximeter_is_worn_or_put_on_now_and_then_is_a_persons_choice():
    taken = {entry.key for entry in drivers_for(advertisement(PULSE_OXIMETER_SERVICE))}
    assert {"sig-pulse-oximeter", "sig-pulse-oximeter-spot"} <= taken


def test_an_unknown_key_names_those_there_are():
    with pytest.raises(UnknownDriver, match="contec-v7"):
        driver("contec-v8")


@pytest.mark.parametrize("key", DRIVERS)
def test_every_driver_says_what_its_transport_needs(key):
    found = driver(key)
    assert found.verified
    assert not found.marks or found.transport is Transport.BLE
    assert bool(found.serial) is (found.transport is Transport.SERIAL)
