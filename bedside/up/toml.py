"""Writing TOML (the standard library only reads it): tables, lists of tables, and plain values."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def toml(table: Mapping[str, Any]) -> str:
    """`table` as a document. Members that are None are left out; keys must be bare keys."""
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Plain values first: below a table's heading everything belongs to that table."""
    present = {key: value for key, value in table.items() if value is not None}
    yield from (f"{key} = {_plain(value)}" for key, value in present.items() if not _is_table(value))
    for key, value in present.items():
        if _is_table(value):
            name = ".".join((*path, key))
            for member in [value] if isinstance(value, Mapping) else value:
                yield f"\n[{name}]" if isinstance(value, Mapping) else f"\n[[{name}]]"
                yield from _lines(member, (*path, key))


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, (list, tuple)) and bool(value) and all(isinstance(member, Mapping) for member in value)
    )


def _plain(value: object) -> str:
    """Strings, numbers, booleans and lists of them; JSON's form of these is TOML's too, save for DEL."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_plain(member) for member in value)}]"
    if isinstance(value, (str, bool, int, float)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise TypeError(f"{type(value).__name__} can't be written as TOML")
