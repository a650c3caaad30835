"""FORA's thermometer that follows the standard."""

from decimal import Decimal

from device_drivers.advertisement import Advertisement
from device_drivers.registry import DRIVERS, drivers_for
from simulators.models.model import Body
from simulators.models.registry import MODELS
from tests.device_drivers.conversation import Conversation


def test_it_is_known_by_its_name_alone():
    """It does not advertise the service."""
    seen = Advertisement(address="C0:26:DA:00:00:01", name="FORA IR42", services=frozenset())
    assert "fora-ir42" in [driver.key for driver in drivers_for(seen)]


def test_a_temperature_without_a_time_is_live():
    model = MODELS["fora-ir42"](lambda now: Body(temperature=Decimal("36.8")))
    (reading,) = Conversation(driver=DRIVERS["fora-ir42"], model=model).run(seconds=20).readings
    assert (reading.stored, reading.time_uncertain, reading.measured) == (False, False, reading.received)
    assert reading.values[0].number == Decimal("36.8")
