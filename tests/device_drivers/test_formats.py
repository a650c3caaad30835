"""Every format of the registry against every example of it, cut, corrupted, explained, and made at random."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.errors import Undecodable, UnknownFormat
from device_drivers.format import AnyFormat
from device_drivers.registry import FORMATS, MODULES, wire_format
from tests.device_drivers import vectors
from tests.device_drivers.families import family
from tests.support.examples import at_most

SECTION_F = [
    "2A35",
    "2A35-beurer-swapped",
    "2A36",
    "2A1C",
    "2A5E",
    "2A5F",
    "2A60",
    "2A52",
    "2A37",
    "2A9D",
    "2A18",
    "2A08",
    "2A2B",
    "SFLOAT",
    "FLOAT",
    "nonin-df2-packet",
    "nonin-df2-frame",
    "nonin-df7-packet",
    "nonin-df7-frame",
    "nonin-df8",
    "nonin-df13",
    "nonin-ascii",
    "nonin-ble",
    "bci-5byte",
    "cms50-5byte",
    "cms50-9byte",
    "cms50-record",
    "cms50-reclen",
    "cms50d-bt",
    "viatom-o2",
    "viatom-cmd",
    "oxyii",
    "pc60fw",
    "jks50f",
    "masimo-ascii1",
    "suntech",
    "suntech-cmd",
    "and-pbt",
    "and-pbt-payload",
    "omron-14le",
    "omron-14be",
    "omron-rx",
    "omron-790it-cmd",
    "microlife",
    "beurer-bm58",
    "beurer-bm65",
    "contec08a",
    "taidoc-cmd",
    "taidoc-temp",
    "taidoc-bp",
    "lepu-bp2",
    "suretemp",
    "temp-sitter",
    "ds18b20",
]
VECTORS = [vector for vector in vectors.ALL if vector["characteristic_or_protocol"] in FORMATS]
DECODABLE = [vector for vector in VECTORS if "reject" not in vector["expected"]]
REFUSED = [vector for vector in VECTORS if "reject" in vector["expected"]]
MESSAGES = family.messages()

each_decodable = pytest.mark.parametrize("vector", DECODABLE, ids=vectors.name)
each_format = pytest.mark.parametrize("key", FORMATS)


def format_of(vector: vectors.Vector) -> AnyFormat:
    return FORMATS[vector["characteristic_or_protocol"]]


def decoded_or_refused(entry: AnyFormat, data: bytes) -> Any:
    """The message; None where it is refused. Whatever is decoded can be shown."""
    try:
        message = entry.decode(data)
    except Undecodable:
        return None
    entry.fields(message)
    assert b"".join(part.data for part in entry.describe(data)) == data
    return message


def as_decoded(value: Any) -> Any:
    """What a vector expects, its exact numbers as JSON has them."""
    match value:
        case Decimal():
            return float(value)
        case list():
            return [as_decoded(item) for item in value]
        case dict():
            return {name: as_decoded(item) for name, item in value.items()}
    return value


def test_every_published_format_is_there():
    assert [key for key in SECTION_F if key not in FORMATS] == []


@each_decodable
def test_every_example_decodes_to_the_values_that_its_source_gives(vector):
    entry = format_of(vector)
    fields = entry.fields(entry.decode(vectors.data(vector)))
    assert {name: fields.get(name, "(absent)") for name in vector["expected"]} == {
        name: as_decoded(value) for name, value in vector["expected"].items()
    }


@pytest.mark.parametrize("vector", REFUSED, ids=vectors.name)
def test_examples_that_must_be_refused_are_refused(vector):
    with pytest.raises(Undecodable):
        format_of(vector).decode(vectors.data(vector))


@each_decodable
def test_every_example_survives_encoding_and_its_fields_say_all_of_it(vector):
    entry = format_of(vector)
    message = entry.decode(vectors.data(vector))
    assert entry.decode(entry.encode(message)) == message
    assert entry.message_from(entry.fields(message)) == message


@each_decodable
def test_every_shorter_length_is_read_or_refused(vector):
    data = vectors.data(vector)
    for length in range(len(data)):
        decoded_or_refused(format_of(vector), data[:length])


@pytest.mark.slow
@pytest.mark.pure
@each_decodable
def test_every_corrupted_byte_is_read_or_refused(vector):
    entry, data = format_of(vector), bytearray(vectors.data(vector))
    for place, right in enumerate(data):
        for wrong in range(256):
            data[place] = wrong
            decoded_or_refused(entry, bytes(data))
        data[place] = right


@each_decodable
def test_every_byte_is_explained_once_and_every_field_by_some_byte(vector):
    entry, data = format_of(vector), vectors.data(vector)
    parts = entry.describe(data)
    assert parts[0].offset == 0
    assert all(part.offset + len(part.data) == following.offset for part, following in pairwise(parts))
    assert b"".join(part.data for part in parts) == data
    explained = {name for part in parts for name in part.fields}
    assert entry.fields(entry.decode(data)).keys() <= explained
    assert all(part.name and part.meaning and "\n" not in part.meaning for part in parts)


@each_format
def test_every_format_has_an_example_and_says_where_it_is_from(key):
    assert vectors.of(key)
    assert FORMATS[key].source
    assert FORMATS[key].title


@each_format
@settings(max_examples=at_most(50))
@given(data=st.data())
def test_any_message_survives_encoding_and_its_fields_say_all_of_it(key, data):
    assert key in MESSAGES, f"no strategy for {key}: add one to MESSAGES of a module in tests/device_drivers/families"
    entry, message = FORMATS[key], data.draw(MESSAGES[key])
    assert entry.decode(entry.encode(message)) == message
    assert entry.message_from(entry.fields(message)) == message
    assert b"".join(part.data for part in entry.describe(entry.encode(message))) == entry.encode(message)


@each_format
@given(noise=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(key, noise):
    decoded_or_refused(FORMATS[key], noise)


@each_format
def test_a_format_refuses_fields_that_it_does_not_have(key):
    with pytest.raises(ValueError, match="there is no field"):
        FORMATS[key].message_from({"colour": "red"})


def test_an_unknown_key_names_those_there_are():
    assert wire_format("2a35") is FORMATS["2A35"]
    with pytest.raises(UnknownFormat, match="bedside decode --list"):
        wire_format("2A99")


def test_every_key_is_there_once():
    assert sum(len(module.FORMATS) for module in MODULES) == len(FORMATS)
