"""What a device's configuration may ask of its driver, and that no cuff inflates unless two places say so."""

import pytest

from device_drivers.driver import INFLATE, Option
from device_drivers.registry import DRIVERS
from edge_agent.errors import InvalidSettings
from edge_agent.settings import GatewaySettings, from_mapping
from edge_agent.supervisor import check_devices

INFLATING = sorted(key for key, driver in DRIVERS.items() if INFLATE in {option.name for option in driver.options})


def settings(driver: str, options: dict, **more: object) -> GatewaySettings:
    where = {"port": "/dev/ttyUSB0"} if DRIVERS[driver].serial else {"address": "C0:00:00:00:01:00"}
    device = {"device_id": "D-1", "driver": driver, "options": options, **where}
    found = {"gateway_id": "g-1", "state_dir": "/tmp/x", "devices": [device], **more}
    return from_mapping(found, source="gateway.toml")


@pytest.mark.parametrize(
    ("driver", "options", "said"),
    [
        ("nonin-df8", {"colour": 1}, "is no option of driver nonin-df8"),
        ("sig-blood-pressure", {"set_time": "yes"}, "must be true or false"),
    ],
)
def test_an_option_that_a_driver_does_not_have_is_refused_with_its_key(driver, options, said):
    with pytest.raises(InvalidSettings, match=said) as refusal:
        check_devices(settings(driver, options))
    assert next(iter(options)) in refusal.value.where


def test_what_a_driver_has_is_taken():
    check_devices(settings("sig-blood-pressure", {"bond": True, "set_time": False}))


def test_an_options_value_has_its_kind_and_its_bounds():
    option = Option(name="n", default=0, text="", low=0, high=5)
    assert option.problem(3) is None
    assert option.problem(6) == "must be 5 or less"
    assert option.problem(-1) == "must be 0 or more"
    assert option.problem(True) == "must be a whole number"


def test_a_driver_whose_transport_no_agent_has_is_refused():
    unreachable = [driver for driver in DRIVERS.values() if driver.transport.value not in ("ble", "serial")]
    for driver in unreachable:
        with pytest.raises(InvalidSettings, match="which no agent has yet"):
            check_devices(settings(driver.key, {}))


@pytest.mark.parametrize("driver", INFLATING)
def test_inflating_needs_the_gateways_word_too(driver):
    with pytest.raises(InvalidSettings, match="allow_inflation"):
        check_devices(settings(driver, {INFLATE: 15}))
    check_devices(settings(driver, {INFLATE: 15}, allow_inflation=True))
    check_devices(settings(driver, {INFLATE: 0}))
