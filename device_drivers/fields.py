"""Messages as JSON and back: the field names and types of `bedside decode --json`.

A message is a frozen dataclass. A field keeps its name unless `named` gives another. A field whose default is None is left out when it
is None (the frame does not carry it); any other field that is None is null (carried, and without a value). Numbers stay exact: a
Decimal becomes an integer or the float that has its digits; special floats become their words.
"""

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from functools import cache
from typing import Any, Final, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from device_drivers.date_time import DateTime
from device_drivers.ieee11073 import Special
from vitals.units import Unit

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
M = TypeVar("M")

UNIT_NAMES: Final[Mapping[Unit, str]] = {
    Unit.MMHG: "mmHg",
    Unit.KILOPASCAL: "kPa",
    Unit.CELSIUS: "Cel",
    Unit.FAHRENHEIT: "degF",
    Unit.KILOGRAM: "kg",
    Unit.POUND: "lb",
}
"""Units as people write them where a unit is a field."""
_UNITS: Final = {name: unit for unit, name in UNIT_NAMES.items()}
_EXACT_INTEGER: Final = 10**15


def named(name: str, **options: Any) -> Any:  # noqa: ANN401 - as dataclasses.field
    """A dataclass field that has another name in JSON."""
    return dataclasses.field(metadata={"name": name}, **options)


def fields_of(message: Any) -> dict[str, Json]:  # noqa: ANN401 - any dataclass
    """The fields of a message by their JSON names."""
    found: dict[str, Json] = {}
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        if value is not None or field.default is not None:
            found[_name(field)] = _json(value)
    return found


def message_from(kind: type[M], fields: Mapping[str, Json]) -> M:
    """The message that these fields say. Raises ValueError, which names the field that is wrong, missing or unknown."""
    known = {_name(field): field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in fields:
        if name not in known:
            raise ValueError(f"there is no field {name!r}; there are {', '.join(known)}")
    hints = _hints(cast("Any", kind))
    values = {}
    for name, field in known.items():
        if name in fields:
            values[field.name] = _value(hints[field.name], fields[name], name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"the field {name!r} is missing")
    return kind(**values)


def number(value: Decimal) -> int | float:
    """A Decimal as a JSON number with the same digits."""
    if value == value.to_integral_value() and abs(value) < _EXACT_INTEGER:
        return int(value)
    return float(value)


def _name(field: "dataclasses.Field[Any]") -> str:
    name: str = field.metadata.get("name", field.name)
    return name


@cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    return get_type_hints(kind)


def _json(value: object) -> Json:
    match value:
        case None | bool():
            return value
        case Unit():
            return UNIT_NAMES.get(value, value.value)
        case StrEnum():
            return value.value
        case int():
            return int(value)
        case Decimal():
            return number(value)
        case str():
            return value
        case datetime():
            return value.isoformat()
        case DateTime():
            return str(value)
        case bytes():
            return value.hex()
        case tuple():
            return [_json(item) for item in value]
        case _:
            return fields_of(value)


def _value(kind: Any, value: Json, name: str) -> Any:  # noqa: ANN401 - a type's value
    """`value` as a `kind`. Raises ValueError."""
    if get_origin(kind) in (Union, types.UnionType):
        return _of_any(get_args(kind), value, name)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{name}: a list is needed")
        return tuple(_value(get_args(kind)[0], item, name) for item in value)
    try:
        return _plain(kind, value, name)
    except (TypeError, ArithmeticError, KeyError) as error:
        raise ValueError(f"{name}: {value!r} is no {kind.__name__}") from error
    except ValueError as error:
        raise error if str(error).startswith(f"{name}:") else ValueError(f"{name}: {error}") from error


def _of_any(kinds: tuple[Any, ...], value: Json, name: str) -> Any:  # noqa: ANN401 - a type's value
    if value is None and types.NoneType in kinds:
        return None
    problem = ValueError(f"{name}: {value!r} can't be")
    for kind in kinds:
        if kind is types.NoneType:
            continue
        try:
            return _value(kind, value, name)
        except ValueError as error:
            problem = error
    raise problem


def _plain(kind: Any, value: Json, name: str) -> Any:  # noqa: ANN401 - a type's value; one line a type
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind is not DateTime:
        if not isinstance(value, dict):
            raise ValueError(f"{name}: an object is needed")
        return message_from(kind, value)
    if kind is Decimal:
        return _decimal(value, name)
    if kind is bool or kind is str:
        if type(value) is not kind:
            raise ValueError(f"{name}: {value!r} is no {'text' if kind is str else 'true or false'}")
        return value
    if kind is Unit:
        return _UNITS[str(value)]
    if kind is DateTime:
        return DateTime.parse(str(value))
    if kind is bytes:
        return bytes.fromhex(str(value))
    if kind is datetime:
        return datetime.fromisoformat(str(value))
    if issubclass(kind, Special | StrEnum):
        return kind(value)
    return _integer(kind, value, name)


def _decimal(value: Json, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{name}: {value!r} is no number")  # noqa: TRY004 - one error for whatever a field is not
    return Decimal(str(value))


def _integer(kind: type[Enum] | type[int], value: Json, name: str) -> Any:  # noqa: ANN401 - an int, or an enumeration of them
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value != int(value):
        raise ValueError(f"{name}: {value!r} is no whole number")
    return kind(int(value)) if issubclass(kind, IntEnum | IntFlag) else int(value)
