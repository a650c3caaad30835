"""Names and numbers of a device, and its battery."""

import pytest

from device_drivers.errors import Malformed
from device_drivers.registry import FORMATS
from device_drivers.sig.battery import BatteryLevel
from device_drivers.sig.device_information import TEXT_LIMIT, PnpId, SystemId, Text


def test_an_empty_text_is_a_text():
    assert Text.from_bytes(b"") == Text(text="")
    assert FORMATS["2A25"].describe(b"") == []


def test_nuls_at_the_end_are_shown_as_padding():
    text, padding = FORMATS["2A24"].describe(b"UA-651BLE\0\0")
    assert (text.data, text.meaning) == (b"UA-651BLE", "'UA-651BLE'")
    assert (padding.data, padding.name) == (b"\0\0", "padding")


def test_a_text_with_control_characters_is_explained_on_one_line():
    (text,) = FORMATS["2A29"].describe(b"a\nb\x1b[0m")
    assert text.meaning == r"'a\nb\x1b[0m'"


@pytest.mark.parametrize("text", ["a\0", "x" * (TEXT_LIMIT + 1), "µ" * TEXT_LIMIT, "\ud800"])
def test_a_text_that_cannot_be_sent_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        bytes(Text(text=text))


def test_a_text_is_no_longer_than_an_attribute():
    assert Text.from_bytes(b"x" * TEXT_LIMIT).text == "x" * TEXT_LIMIT
    with pytest.raises(Malformed, match="oversized"):
        Text.from_bytes(b"x" * (TEXT_LIMIT + 1))


def test_a_version_is_written_with_dots():
    *_, version = FORMATS["2A50"].describe(bytes.fromhex("01690003021302"))
    assert version.meaning == "2.1.3"


@pytest.mark.parametrize("parts", [(b"\0\0", bytes(5)), (bytes(3), bytes(6))])
def test_a_system_id_has_two_parts_of_fixed_length(parts):
    oui, identifier = parts
    with pytest.raises(ValueError, match="3 bytes"):
        bytes(SystemId(oui=oui, identifier=identifier))


@pytest.mark.parametrize(
    "field", [{"vendor_id_source": 256}, {"vendor_id": -1}, {"product_id": 65536}, {"product_version": 65536}]
)
def test_a_number_that_its_bytes_do_not_hold_is_refused(field):
    numbers = {"vendor_id_source": 1, "vendor_id": 105, "product_id": 515, "product_version": 272}
    with pytest.raises(ValueError):  # noqa: PT011 - struct's words
        bytes(PnpId(**{**numbers, **field}))


@pytest.mark.parametrize("level", [-1, 101])
def test_a_battery_has_no_more_than_100_percent_and_no_less_than_none(level):
    with pytest.raises(ValueError, match="0 to 100"):
        bytes(BatteryLevel(level=level))
