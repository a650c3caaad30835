import pytest

from vitals.errors import InvalidIdentifier
from vitals.identifiers import DeviceKey, DeviceType, identifier


@pytest.mark.parametrize("text", ["507f1f77bcf86cd799439011", "BP-101", "a", "A.b_c-9", "x" * 64])
def test_an_identifier_is_returned_as_it_is(text):
    assert identifier("patient", text) == text


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a:b", "a/b", "a\n", "+", "#", "ä", "{x}", "a\x00"])
def test_what_could_break_a_topic_a_room_or_a_path_is_refused(text):
    with pytest.raises(InvalidIdentifier) as refusal:
        identifier("patient", text)
    assert refusal.value.what == "patient"
    assert "patient" in str(refusal.value)


def test_a_device_is_named_by_type_and_id():
    key = DeviceKey(device_type=DeviceType.THERMOMETER, device_id="TH-1")
    assert str(key) == "thermometer:TH-1"
    assert key == DeviceKey(device_type="thermometer", device_id="TH-1")
