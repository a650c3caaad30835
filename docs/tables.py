"""The tables of the documentation, made from the code's own: `./dev docs` writes them between their marks, a test holds them.

A mark is `<!-- table: NAME -->`, up to `<!-- end -->`.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bedside.annotations import enumeration_in, struct_in
from bedside.configuration import variable
from bedside.exits import Exit
from bedside.main import COMMANDS, parser
from device_drivers.registry import DRIVERS
from edge_agent.connection import mermaid
from hub.auth.rights import RIGHTS, Verb
from hub.auth.tokens import Role
from hub.realtime.clients import Close
from hub.realtime.requests import Code
from hub.settings import HubSettings
from vitals.events import EVENTS, EventData, message_type
from vitals.parameters import PARAMETERS
from vitals.rooms import RoomKind

DOCS: Final = Path(__file__).parent
_OF_THIS_MACHINE: Final = re.compile(r" \((%\(default\)s|/[^)]*)\)$")
_MARKED: Final = re.compile(r"(<!-- table: (?P<name>[a-z-]+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def events() -> str:
    """Every event with its message type, rooms and the members of its data."""
    rows = (
        (f"`{event}`", f"`{message_type(event)}`", _codes(facts.rooms), _members(facts.data))
        for event, facts in EVENTS.items()
    )
    return _table(("event", "`type`", "rooms", "`data`"), rows)


def rights() -> str:
    """Role × verb: the kinds of room; an empty cell is a no."""
    rows = ((f"`{role}`", *(_kinds(RIGHTS[role].get(verb, frozenset())) for verb in Verb)) for role in Role)
    return _table(("role", *(f"`{verb}`" for verb in Verb)), rows)


def vitals() -> str:
    """Every parameter: where it stands in a message, in which unit, and under which codes."""
    rows = (
        (
            f"`{facts.vital}`" + (f" `.{facts.member}`" if facts.member else ""),
            f"`{facts.unit}`",
            facts.loinc,
            str(facts.mdc),
            f"{facts.low} to {facts.high}",
        )
        for facts in PARAMETERS.values()
    )
    return _table(("vital", "unit (UCUM)", "LOINC", "MDC", "plausible"), rows)


def close_codes() -> str:
    return _table(
        ("code", "why", "reconnect"),
        ((str(code.value), code.name.lower().replace("_", " "), "yes" if code < 4500 else "no") for code in Close),
    )


def error_codes() -> str:
    return ", ".join(f"`{code}`" for code in Code) + "\n"


def devices() -> str:
    """Every driver: what it reads, over what, and how it was verified."""
    rows = (
        (f"`{driver.key}`", driver.title, f"`{driver.device_type}`", _line(driver.key), driver.verified)
        for driver in DRIVERS.values()
    )
    return _table(("driver", "device", "device type", "transport", "verified by"), rows)


def connection() -> str:
    return f"```mermaid\n{mermaid()}```\n"


def hub_settings() -> str:
    """Every key of hub.toml, with what it may be and the environment variable that says it too."""
    return _table(("key", "may be", "default", "environment"), _settings(HubSettings))


def commands() -> str:
    """Every command with its options, as the parsers have them."""
    return "\n".join(_command(name, parser(name)) for name in COMMANDS)


def exit_codes() -> str:
    return _table(("code", "meaning"), ((str(code.value), code.name.lower()) for code in Exit))


TABLES: Final[dict[str, Callable[[], str]]] = {
    "events": events,
    "rights": rights,
    "vitals": vitals,
    "close-codes": close_codes,
    "error-codes": error_codes,
    "devices": devices,
    "connection": connection,
    "hub-settings": hub_settings,
    "commands": commands,
    "exit-codes": exit_codes,
}


def filled(text: str) -> str:
    """`text` with every marked table as the code has it. Raises KeyError for a mark without a table."""
    return _MARKED.sub(lambda mark: f"{mark[1]}\n{TABLES[mark['name']]()}\n", text)


def documents() -> list[Path]:
    """The documents that have tables."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _MARKED.search(path.read_text(encoding="utf-8"))]


def _settings(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, ...]]:
    for field in msgspec.structs.fields(kind):
        key = f"{prefix}{field.name}"
        if (inner := struct_in(field.type)) is not None:
            yield from _settings(inner, f"{key}.")
        else:
            yield f"`{key}`", _form(field.type), _default(field), f"`{variable(key)}`"


def _form(annotation: object) -> str:
    """What a key may be, in a reader's words."""
    if (choices := enumeration_in(annotation)) is not None:
        words = ", ".join(f"`{choice.value}`" for choice in choices)
        return f"a table of {words}" if "dict" in str(annotation) else words
    names = {"bool": "true or false", "int": "whole number", "float": "number", "Path": "path", "str": "text"}
    return next(said for name, said in names.items() if name in str(annotation))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be said"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value == {}:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _command(name: str, root: argparse.ArgumentParser) -> str:
    """One command's own parser, found below the root's, and its actions."""
    chosen = _below(root)[name]
    heading = f"## bedside {name}\n\n{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.\n"
    parts = [heading, _options(chosen)]
    for action, inner in _below(chosen).items():
        parts.append(f"### bedside {name} {action}\n\n{inner.description}\n\n{_options(inner)}")
    return "\n".join(filter(None, parts))


def _below(root: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action for action in root._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def _options(command: argparse.ArgumentParser) -> str:
    shown = [
        action
        for action in command._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]
    return _table(("option", "meaning"), ((f"`{_usage(one)}`", _help(one)) for one in shown)) if shown else ""


def _usage(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    if action.nargs == 0:
        return action.option_strings[-1]
    choices = "\\|".join(map(str, action.choices)) if action.choices else None
    return f"{action.option_strings[-1]} {choices or action.metavar or action.dest.upper()}"


def _help(action: argparse.Action) -> str:
    said = _OF_THIS_MACHINE.sub("", action.help or "")
    return f"{said}; must be given" if action.required and action.option_strings else said


def _line(key: str) -> str:
    serial = DRIVERS[key].serial
    if serial is None:
        return "Bluetooth LE"
    return f"serial, {serial.baud} {serial.data_bits}{serial.parity}{serial.stop_bits}"


def _kinds(kinds: frozenset[RoomKind]) -> str:
    """Groups by their first word; a group that is not whole is spelled out."""
    groups: dict[str, list[RoomKind]] = {}
    for kind in RoomKind:
        groups.setdefault(kind.split(":")[0], []).append(kind)
    said = []
    for name, members in groups.items():
        held = [kind for kind in members if kind in kinds]
        said.append(name if held == members else _codes(held))
    return ", ".join(filter(None, said))


def _members(data: type[EventData]) -> str:
    return ", ".join(f"`{field.name}{'' if field.required else '?'}`" for field in msgspec.structs.fields(data))


def _codes(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for document in documents():
        document.write_text(filled(document.read_text(encoding="utf-8")), encoding="utf-8")
