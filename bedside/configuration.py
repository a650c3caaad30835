"""Settings from four places: command line > environment > TOML file > defaults; into a typed struct, with where each came from.

An environment variable is `BEDSIDE_` and the key in capitals, `__` between the levels: `BEDSIDE_MQTT__HOST`; an empty one counts as
not set. Errors name the place, the key, and the nearest key that there is.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from bedside.annotations import holds_list, holds_mapping, struct_in
from bedside.exits import CommandFailed, Exit
from bedside.mistakes import explained

PREFIX: Final = "BEDSIDE_"
S = TypeVar("S", bound=msgspec.Struct)
Tree = dict[str, Any]
_PASSWORD: Final = re.compile(r"(://[^:/@\s]*:).*@|((?:password|passwd|pwd)=)[^&\s]*", re.IGNORECASE)
_MISTYPED: Final = 0.8
"""How like a key an unknown variable must be to be taken for a slip and not for another program's."""


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
    """Read, merge and check. `overrides` are by dotted key; None is no override.

    Raises CommandFailed: exit 2 for what the command line says, else 3.
    """
    merged = merge(kind, file=file, overrides=overrides, environment=environment)
    try:
        settings = msgspec.convert(merged.tree, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        raise refused(kind, where.strip(".`"), said, merged.origins, file) from error
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
        levelled = _levelled(kind, tree)
        _check_keys(kind, levelled, origin)
        _merge(merged, levelled)
        origins |= {key: _named(origin, key) for key in dotted(levelled)}
    return Merged(tree=merged, origins=origins)


def refused(
    kind: type[msgspec.Struct], key: str, said: str, origins: Mapping[str, str], file: Path | None
) -> CommandFailed:
    """The failure that says what is wrong with `key` (empty: with the whole) and where it was said."""
    origin = origins.get(key) or _common_origin(key, origins)
    place = origin or (str(file) if file else "the configuration")
    key = key.removesuffix("[...]")
    message = explained(kind, key, said, variable=variable)
    own = origin.startswith(("--", PREFIX))
    text = f"{place}: {message}" if own or not key or message.startswith(key) else f"{place}: {key}: {message}"
    return CommandFailed(text, Exit.USAGE if origin.startswith("--") else Exit.CONFIGURATION)


def _common_origin(key: str, origins: Mapping[str, str]) -> str:
    """Of a table with free keys, of which msgspec doesn't say which it means (`logging.loggers[...]`): the place, where it is one."""
    if not key.endswith("[...]"):
        return ""
    said = {origin for one, origin in origins.items() if one.startswith(key.removesuffix("[...]") + ".")}
    return said.pop() if len(said) == 1 else ""


def shown(settings: msgspec.Struct) -> Tree:
    """Every key with its value, dotted; passwords inside addresses are left out."""
    values = dotted(msgspec.to_builtins(settings, enc_hook=str))
    return {key: redacted(value) if isinstance(value, str) else value for key, value in values.items()}


def redacted(address: str) -> str:
    """An address without the password in it."""
    return _PASSWORD.sub(lambda match: f"{match[1]}…@" if match[1] else f"{match[2]}…", address)


def variable(key: str) -> str:
    """The environment variable of a dotted key."""
    return PREFIX + key.upper().replace(".", "__")


def unreadable(key: str, path: Path) -> Iterator[str]:
    """What is wrong with a file that a key names: it can't be read, or is empty."""
    try:
        if not path.read_bytes().strip():
            yield f"{key}: {path} is empty"
    except OSError as error:
        yield f"{key}: can't read {path}: {error.strerror}"


def dotted(tree: Mapping[str, Any], prefix: str = "") -> Tree:
    """The leaves of a tree by dotted key, members of lists of tables as `devices[0].port`."""
    flat: Tree = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat |= dotted(value, f"{name}.")
        elif isinstance(value, (list, tuple)) and value and all(isinstance(member, dict) for member in value):
            for place, member in enumerate(value):
                flat |= dotted(member, f"{name}[{place}].")
        else:
            flat[name] = value
    return flat


def _named(origin: str, key: str) -> str:
    if origin == "the environment":
        return variable(key)
    return f"--{key.replace('_', '-')}" if origin == "the command line" else origin


def _read(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"{file}: can't be read: {error.strerror}", Exit.CONFIGURATION) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file}: is no TOML: {error}", Exit.CONFIGURATION) from error


def _from_environment(kind: type[msgspec.Struct], environment: Mapping[str, str]) -> Tree:
    """Variables whose first part is a key of `kind`; others with our prefix are other commands' business, unless they look like a slip."""
    found = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or not value:
            continue
        key = name.removeprefix(PREFIX).lower().replace("__", ".")
        first = key.split(".")[0]
        if first in kind.__struct_fields__:
            found[key] = value
        elif near := difflib.get_close_matches(first, kind.__struct_fields__, 1, _MISTYPED):
            raise CommandFailed(f"{name}: there is no such key; did you mean {variable(near[0])}?", Exit.CONFIGURATION)
    return _nested(found)


def _nested(flat: Mapping[str, object]) -> Tree:
    tree: Tree = {}
    for key, value in sorted(flat.items()):
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


def _levelled(kind: type[msgspec.Struct], tree: Tree) -> Tree:
    """Tables whose keys are free made flat: `loggers.hub.rooms`, or a variable's levels, are the one logger `hub.rooms`."""
    annotations = {field.name: field.type for field in msgspec.structs.fields(kind)}
    levelled: Tree = {}
    for key, value in tree.items():
        annotation = annotations.get(key)
        inner = struct_in(annotation)
        if not isinstance(value, dict) or (inner is None and not holds_mapping(annotation)):
            levelled[key] = value
        else:
            levelled[key] = dotted(value) if inner is None else _levelled(inner, value)
    return levelled


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
            raise CommandFailed(f"{_named(origin, prefix + key)}: {_unknown(prefix, key, fields)}", Exit.CONFIGURATION)
        inner = struct_in(fields[key])
        if inner is None:
            continue
        if isinstance(value, dict):
            if holds_list(fields[key]):
                advice = f"{prefix}{key} is a list of tables: write [[{prefix}{key}]] before each"
                raise CommandFailed(f"{origin}: {advice}", Exit.CONFIGURATION)
            _check_keys(inner, value, origin, f"{prefix}{key}.")
        elif isinstance(value, list):
            for place, member in enumerate(value):
                if isinstance(member, dict):
                    _check_keys(inner, member, origin, f"{prefix}{key}[{place}].")


def _unknown(prefix: str, key: str, fields: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, fields, 1)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(sorted(fields))}"
    return f"there is no key {prefix}{key}; {hint}"


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"Expected `{'str' if kind is Path else kind.__name__}`, got `{type(value).__name__}`")
