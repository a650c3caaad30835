"""Entries as they lie on the disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.outbox.packing import pack, unpack
from tests.edge_agent.samples import reading
from vitals.envelope import ReadingEntry, encode


@given(st.binary(max_size=2000))
def test_what_is_packed_comes_back(body: bytes):
    assert unpack(pack(body)) == body


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_with_value_error_or_unpacked(garbage: bytes):
    try:
        unpack(garbage)
    except ValueError:
        return


def test_every_truncation_is_refused():
    packed = pack(encode(ReadingEntry(sequence=7, reading=reading())))
    for length in range(len(packed)):
        with pytest.raises(ValueError, match=r"."):
            unpack(packed[:length])


def test_72_hours_of_four_devices_fit_in_half_of_the_default_outbox():
    packed = pack(encode(ReadingEntry(sequence=987654, reading=reading())))
    assert len(packed) < (128 << 20) / (72 * 3600 * 4)
