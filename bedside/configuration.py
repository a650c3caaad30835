"""Settings from four places: command line > environment > TOML file > defaults; into a typed struct, with where each came from.

An environment variable is `BEDSIDE_` and the key in capitals, `__` between the levels: `BEDSIDE_MQTT__HOST`. Errors name the
place, the key, and the nearest key that there is.
"""

import difflib
import os
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from bedside.exits import CommandFailed, Exit

PREFIX: Final = "BEDSIDE_"
S = TypeVar("S", bound=msgspec.Struct)
Tree = dict[str, Any]
_PASSWORD: Final = re.compile(r"(://[^:/@\s]*:).*@|((?:password|passwd|pwd)=)[^&\s]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Generic[S]):
    """The settings; `origins` says of each dotted key that is not a default where it came from."""

    settings: S
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What all places say together, not yet typed; every key is one that there is."""

    tree: Tree
    origins: Mapping[str, str]


def load(
    kind: type[S],
    *,
    file: Path | None,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded[S]:
    """Read, merge and check. `overrides` are by dotted key; None is no override. Raises CommandFailed, exit 3."""
    merged = merge(kind, file=file, overrides=overrides, environment=environment)
    try:
        settings = msgspec.convert(merged.tree, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise CommandFailed(_explained(str(error), merged.origins, file), Exit.CONFIGURATION) from error
    return Loaded(settings=settings, origins=merged.origins)


def merge(
    kind: type[msgspec.Struct],
    *,
    file: Path | None,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Merged:
    """The same, left untyped. Raises CommandFailed, exit 3, for what can't be read and for unknown keys."""
    layers: list[tuple[str, Tree]] = []
    if file is not None:
        layers.append((str(file), _read(file)))
    layers.append(("the environment", _from_environment(kind, os.environ if environment is None else environment)))
    layers.append(("the command line", _nested(overrides or {})))
    merged: Tree = {}
    origins: dict[str, str] = {}
    for origin, tree in layers:
        _check_keys(kind, tree, origin)
        _merge(merged, tree)
        origins |= {key: _named(origin, key) for key in _dotted(tree)}
    return Merged(tree=merged, origins=origins)


def shown(settings: msgspec.Struct) -> Tree:
    """Every key with its value, dotted; passwords inside addresses are left out."""
    return {
        key: _PASSWORD.sub(lambda match: f"{match[1]}…@" if match[1] else f"{match[2]}…", value)
        if isinstance(value, str)
        else value
        for key, value in _dotted(msgspec.to_builtins(settings, enc_hook=str)).items()
    }


def variable(key: str) -> str:
    """The environment variable of a dotted key."""
    return PREFIX + key.upper().replace(".", "__")


def _named(origin: str, key: str) -> str:
    return variable(key) if origin == "the environment" else origin


def _read(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"{file}: can't be read: {error.strerror}", Exit.CONFIGURATION) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file}: is no TOML: {error}", Exit.CONFIGURATION) from error


def _from_environment(kind: type[msgspec.Struct], environment: Mapping[str, str]) -> Tree:
    """Variables whose first part is a key of `kind`; others with our prefix are other commands' business."""
    found = {}
    for name, value in environment.items():
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX).lower().replace("__", ".")
            if key.split(".")[0] in kind.__struct_fields__:
                found[key] = value
    return _nested(found)


def _nested(flat: Mapping[str, object]) -> Tree:
    tree: Tree = {}
    for key, value in flat.items():
        if value is None:
            continue
        *parents, last = key.split(".")
        branch = tree
        for parent in parents:
            inner = branch.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise CommandFailed(f"{variable(key)}: {parent} is said to be a value already", Exit.CONFIGURATION)
            branch = inner
        branch[last] = value
    return tree


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> Tree:
    flat: Tree = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _merge(into: Tree, tree: Mapping[str, Any]) -> None:
    for key, value in tree.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _check_keys(kind: type[msgspec.Struct], tree: Mapping[str, Any], origin: str, prefix: str = "") -> None:
    """Refuse keys that there are not, naming the nearest; in nested tables and lists of tables too."""
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in tree.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else f"; there are {', '.join(sorted(fields))}"
            raise CommandFailed(f"{origin}: there is no key {prefix}{key}{hint}", Exit.CONFIGURATION)
        inner = _struct_in(fields[key])
        if inner is None:
            continue
        if isinstance(value, dict):
            _check_keys(inner, value, origin, f"{prefix}{key}.")
        elif isinstance(value, list):
            for place, member in enumerate(value):
                if isinstance(member, dict):
                    _check_keys(inner, member, origin, f"{prefix}{key}[{place}].")


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - any type's annotation
    """The struct that an annotation is, or holds: `Struct | None`, `tuple[Struct, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := _struct_in(inner))), None)


def _explained(problem: str, origins: Mapping[str, str], file: Path | None) -> str:
    """msgspec's words, with the place that said it and the key."""
    said, _, where = problem.partition(" - at `$.")
    key = where.rstrip("`")
    origin = origins.get(key, str(file) if file else "the configuration")
    if not key:
        missing = re.search(r"missing required field `(\w+)`", said)
        hint = f"; write {missing[1]} = … or set {variable(missing[1])}" if missing else ""
        return f"{origin}: {said}{hint}"
    return f"{origin}: {key}: {said}" if origin != variable(key) else f"{origin}: {said}"


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
