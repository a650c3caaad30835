"""The TOML that `bedside up` writes is what it was given when it is read again."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bedside.up.toml import toml

KEYS = some.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
TEXTS = some.text(some.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = some.one_of(
    TEXTS, some.booleans(), some.integers(-(2**63), 2**63 - 1), some.floats(allow_nan=False, allow_infinity=False)
)
LISTS = some.lists(VALUES, max_size=4)


def tables(inner: some.SearchStrategy[Any]) -> some.SearchStrategy[dict[str, Any]]:
    return some.dictionaries(KEYS, inner, max_size=4)


TREES = some.recursive(
    tables(some.one_of(VALUES, LISTS)),
    lambda inner: tables(some.one_of(VALUES, LISTS, inner, some.lists(inner, min_size=1, max_size=3))),
    max_leaves=12,
)


@given(TREES)
def test_what_was_written_is_read_back(tree):
    assert tomllib.loads(toml(tree)) == tree


def test_tables_follow_the_plain_values_of_theirs():
    written = toml({"b": {"c": 1, "d": {"e": 2}}, "a": "x", "f": [{"g": 1}, {"g": 2}]})
    assert written == 'a = "x"\n\n[b]\nc = 1\n\n[b.d]\ne = 2\n\n[[f]]\ng = 1\n\n[[f]]\ng = 2\n'


def test_none_is_left_out():
    assert toml({"a": None, "b": 1}) == "b = 1\n"


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", [object()]])
def test_what_toml_has_no_word_for_is_refused(value):
    with pytest.raises(TypeError, match="can't be written as TOML"):
        toml({"a": value})
