"""JSON from outside: one meaning, or none."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.rest.strict_json import decode_object
from vitals.envelope import encode

REFUSED = {
    "no JSON": (b"{", "the body is not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "the body is not JSON"),
    "UTF-16": ("{}".encode("utf-16"), "the body is not JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "the body is not JSON"),
    "a deep nest": (b'{"a":' + b"[" * 100_000, "the body is not JSON"),
    "an integer of a thousand digits": (b'{"a": ' + b"9" * 1000 + b"}", "a: the number is out of all range"),
    "an integer of ten thousand digits": (b'{"a": ' + b"9" * 10_000 + b"}", "the body is not JSON"),
    "an integer that no float holds": (b'{"a": 9007199254740993}', "a: the number is out of all range"),
    "a fraction that no float holds": (b'{"a": 1e999999}', "a: the number is out of all range"),
    "NaN": (b'{"a": NaN}', "NaN is no JSON number"),
    "Infinity": (b'{"a": [-Infinity]}', "-Infinity is no JSON number"),
    "a name twice": (b'{"systolic": 90, "systolic": 150}', "systolic: given twice"),
    "a name twice inside": (b'{"a": [{"b": 1, "b": 1}]}', "b: given twice"),
    "half a surrogate pair": (b'{"a": "\\ud800"}', "a: half of a surrogate pair"),
    "half a surrogate pair as a name": (b'{"\\udc00": 1}', "body: half of a surrogate pair"),
    "nine levels": (b'{"a":' * 10 + b"1" + b"}" * 10, "a: nested more than 8 deep"),
    "a long text": (b'{"a": "' + b"x" * 501 + b'"}', "a: at most 500 characters"),
    "a list": (b"[]", "the body must be a JSON object"),
    "a text": (b'"a"', "the body must be a JSON object"),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_another_reader_might_understand_otherwise_is_refused(body: bytes, reason: str):
    with pytest.raises(Invalid) as refusal:
        decode_object(body)
    assert refusal.value.faults == (reason,)


def test_numbers_are_exact_and_texts_lose_their_control_characters():
    assert decode_object(b'{"a": 36.60, "b": 72, "c\\u0007": "x\\u0000\\r\\n\\u001b[31m\\u0085y"}') == {
        "a": Decimal("36.60"),
        "b": 72,
        "c": "x[31my",
    }


def test_an_empty_body_has_no_members():
    assert decode_object(b"") == {}


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_raise_anything_undeclared(body: bytes):
    try:
        decode_object(body)
    except Invalid as refusal:
        str(refusal).encode()


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.floats() | st.integers() | st.text(), st.lists, max_leaves=4))
)
def test_what_is_taken_can_be_sent_on(document: dict):
    try:
        taken = decode_object(json.dumps(document).encode())
    except Invalid as refusal:
        str(refusal).encode()
    else:
        json.loads(encode(taken), parse_constant=pytest.fail)
