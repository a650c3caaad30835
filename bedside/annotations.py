"""What a struct's annotations hold: the struct, enumeration, list or mapping inside `X | None`, `tuple[X, ...]`, `dict[str, X]`."""

import typing
from enum import Enum
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def struct_in(annotation: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - any type's annotation
    return _in(annotation, msgspec.Struct)


def enumeration_in(annotation: Any) -> type[Enum] | None:  # noqa: ANN401 - any type's annotation
    return _in(annotation, Enum)


def holds_list(annotation: Any) -> bool:  # noqa: ANN401 - any type's annotation
    return typing.get_origin(_bare(annotation)) in (list, tuple)


def holds_mapping(annotation: Any) -> bool:  # noqa: ANN401 - any type's annotation
    return typing.get_origin(_bare(annotation)) is dict


def at(kind: type[msgspec.Struct], key: str) -> Any:  # noqa: ANN401 - any type's annotation
    """The annotation of a dotted key, `limits.ping_seconds` or `devices[0].port`; None where there is none."""
    first, _, rest = key.partition(".")
    annotation = {field.name: field.type for field in msgspec.structs.fields(kind)}.get(first.partition("[")[0])
    inner = struct_in(annotation)
    return at(inner, rest) if rest and inner is not None else annotation


def _in(annotation: Any, base: type[T]) -> type[T] | None:  # noqa: ANN401 - any type's annotation
    if isinstance(annotation, type) and issubclass(annotation, base):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := _in(inner, base))), None)


def _bare(annotation: Any) -> Any:  # noqa: ANN401 - any type's annotation
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation
