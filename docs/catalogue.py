"""The TypeScript client's catalogue of events, made from `vitals.events` and `vitals.parameters`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect as forms

from vitals.events import EVENTS, EventData
from vitals.parameters import CONTINUOUS, Vital

FILE: Final = Path(__file__).parents[1] / "clients" / "typescript" / "src" / "catalogue.ts"
_HEAD: Final = "/** The hub's events and their data, made from its own tables by `./dev docs`; not to be edited. */\n"
_PLAIN: Final[dict[type, str]] = {
    forms.IntType: "number",
    forms.FloatType: "number",
    forms.DecimalType: "number",
    forms.StrType: "string",
    forms.DateTimeType: "string",
    forms.BoolType: "boolean",
    forms.NoneType: "null",
    forms.AnyType: "unknown",
}


def catalogue() -> str:
    """The whole module."""
    kinds: dict[str, type[msgspec.Struct]] = {}
    for facts in EVENTS.values():
        _gather(facts.data, kinds)
    interfaces = "\n".join(_interface(kind) for kind in kinds.values())
    events = "".join(f'  readonly "{name}": {facts.data.__name__};\n' for name, facts in EVENTS.items())
    vitals = ", ".join(f'"{vital}"' for vital in Vital)
    continuous = ", ".join(f'"{vital}"' for vital in Vital if vital in CONTINUOUS)
    return (
        f"{_HEAD}\n{interfaces}\n"
        f"/** Each event's data by the event's name. */\nexport interface Events {{\n{events}}}\n\n"
        f"/** Names under which vital signs stand in `patient.vitals.update`. */\n"
        f"export const VITALS: readonly string[] = [{vitals}];\n\n"
        f"/** Those that come many times a minute; a reader that falls behind is given the latest. */\n"
        f"export const CONTINUOUS: ReadonlySet<string> = new Set([{continuous}]);\n"
    )


def write() -> bool:
    """Bring the file up to date; whether it was not."""
    text = catalogue()
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        return False
    FILE.write_text(text, encoding="utf-8")
    return True


def _gather(kind: type[msgspec.Struct], kinds: dict[str, type[msgspec.Struct]]) -> None:
    """`kind` and the structs in it, the inner ones first."""
    for field in _fields(kind):
        for inner in _structs(field.type):
            _gather(inner, kinds)
    kinds[kind.__name__] = kind


def _fields(kind: type[msgspec.Struct]) -> tuple[forms.Field, ...]:
    form = forms.type_info(kind)
    assert isinstance(form, forms.StructType)  # noqa: S101 - of a struct
    return form.fields


def _structs(form: forms.Type) -> Iterator[type[msgspec.Struct]]:
    match form:
        case forms.StructType(cls=cls):
            yield cls
        case forms.UnionType(types=types):
            for one in types:
                yield from _structs(one)
        case forms.DictType(value_type=inner) | forms.ListType(item_type=inner):
            yield from _structs(inner)


def _interface(kind: type[msgspec.Struct]) -> str:
    members = "".join(
        f"  readonly {field.encode_name}{'' if field.required else '?'}: {_written(field.type)};\n"
        for field in _fields(kind)
    )
    own = kind.__doc__ if kind.__doc__ and kind.__doc__ != EventData.__doc__ else None
    said = f"/** {' '.join(own.split())} */\n" if own else ""
    return f"{said}export interface {kind.__name__} {{\n{members}}}\n"


def _written(form: forms.Type) -> str:
    """A type in TypeScript. Raises TypeError for one that no event has had so far."""
    match form:
        case forms.StructType(cls=cls):
            return cls.__name__
        case forms.EnumType(cls=cls):
            return _literals([member.value for member in cls])
        case forms.LiteralType(values=values):
            return _literals(values)
        case forms.DictType(value_type=inner):
            return f"Readonly<Record<string, {_written(inner)}>>"
        case forms.ListType(item_type=inner) | forms.VarTupleType(item_type=inner):
            return f"readonly ({_written(inner)})[]"
        case forms.UnionType(types=types):
            return " | ".join(dict.fromkeys(_written(one) for one in types))
        case forms.Metadata(type=inner):
            return _written(inner)
    try:
        return _PLAIN[type(form)]
    except KeyError:
        raise TypeError(f"say how {form} is written in TypeScript") from None


def _literals(values: Any) -> str:  # noqa: ANN401 - strings, numbers or truths
    return " | ".join(json.dumps(value) for value in values)
