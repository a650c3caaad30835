"""msgspec's words about a wrong setting, in words that say what to do."""

import re
from collections.abc import Callable

import msgspec

from bedside.annotations import at, enumeration_in
from vitals.errors import IDENTIFIER_FORM
from vitals.identifiers import PATTERN

_MISSING = re.compile(r"missing required field `(\w+)`")


def explained(kind: type[msgspec.Struct], key: str, said: str, *, variable: Callable[[str], str]) -> str:
    """What is wrong with `key` of `kind` (empty: with the whole). A missing key is named in full, by which the text then begins."""
    if missing := _MISSING.search(said):
        name = f"{key}.{missing[1]}" if key else missing[1]
        table = f" under [{key}]" if key and "[" not in key else ""
        return f"{name} is missing; write {missing[1]} = …{table}, or set {variable(name)}"
    if said.startswith("Invalid enum value") and (choices := enumeration_in(at(kind, key))) is not None:
        return f"{said}; there are {', '.join(str(choice.value) for choice in choices)}"
    if said.startswith("Expected `array`"):
        return f'{said}; write a list in the file: {key.rpartition(".")[2]} = ["…"]'
    if said.endswith(f"regex {PATTERN!r}"):
        return f"must be {IDENTIFIER_FORM}"
    return said
