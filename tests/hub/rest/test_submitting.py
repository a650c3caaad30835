"""What is said of a body that is no request: every fault begins with its field."""

from typing import Any

import pytest

from hub.errors import Invalid
from hub.rest.break_glass import Asked
from hub.rest.submitting import converted


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, "reason: missing"),
        ({"reason": "no"}, "reason: at least 3 characters"),
        ({"reason": "x" * 501}, "reason: at most 500 characters"),
        ({"reason": 5}, "reason: Expected `str`, got `int`"),
        ({"reason": "found", "until": 1}, "until: there is no such field"),
    ],
)
def test_a_fault_begins_with_its_field(fields: dict[str, Any], fault: str):
    with pytest.raises(Invalid) as refusal:
        converted(fields, Asked)
    assert refusal.value.faults == (fault,)
