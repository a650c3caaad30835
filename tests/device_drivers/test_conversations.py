"""Every driver that the agent can use talks with a device of its kind, and gets what the device measures."""

from decimal import Decimal

import pytest

from device_drivers.driver import Driver, Transport
from device_drivers.registry import DRIVERS
from device_drivers.sessions import Inflate
from simulators.models.model import Body
from simulators.models.registry import MODELS
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families import family
from vitals.parameters import Parameter

SEEN = Body(
    spo2=96,
    pulse_rate=64,
    systolic=131,
    diastolic=84,
    mean=99,
    temperature=Decimal("37.4"),
    weight=Decimal("64.385"),
    glucose=97,
)
EXPECTED = {
    Parameter.SPO2: SEEN.spo2,
    Parameter.OXIMETER_PULSE_RATE: SEEN.pulse_rate,
    Parameter.HEART_RATE: SEEN.pulse_rate,
    Parameter.SYSTOLIC: SEEN.systolic,
    Parameter.DIASTOLIC: SEEN.diastolic,
    Parameter.CUFF_PULSE_RATE: SEEN.pulse_rate,
    Parameter.TEMPERATURE: SEEN.temperature,
    Parameter.WEIGHT: SEEN.weight,
    Parameter.GLUCOSE: SEEN.glucose,
}
"""What every device measures alike; a mean and a perfusion index some devices do not have."""
NEVER = family.never()


@pytest.fixture(params=sorted(MODELS))
def driver(request: pytest.FixtureRequest) -> Driver:
    return DRIVERS[request.param]


@pytest.fixture
def conversation(driver: Driver) -> Conversation:
    return Conversation(driver=driver, model=MODELS[driver.key](lambda now: SEEN)).run(seconds=20)


def test_every_driver_that_the_agent_can_use_has_a_model():
    usable = {key for key, driver in DRIVERS.items() if driver.transport in (Transport.BLE, Transport.SERIAL)}
    assert MODELS.keys() == usable


def test_what_the_device_measures_is_read(driver: Driver, conversation: Conversation):
    assert conversation.readings
    reading = conversation.readings[-1]
    numbers = {value.parameter: value.number for value in reading.values}
    expected = {parameter: EXPECTED[parameter] for parameter in numbers if parameter in EXPECTED}
    assert expected
    assert {parameter: numbers[parameter] for parameter in expected} == expected
    assert set(numbers) <= set(driver.measures)
    assert reading.raw


def test_nothing_is_sent_that_inflates_erases_resets_or_powers_off(driver: Driver, conversation: Conversation):
    assert not [command for command in conversation.commands if isinstance(command, Inflate)]
    forbidden = NEVER.get(driver.key, [])
    assert not [sent for sent in conversation.sent if any(word in sent for word in forbidden)]
