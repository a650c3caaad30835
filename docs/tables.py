"""The tables of the documentation, made from the code's own: `./dev docs` writes them between their marks, a test holds them.

A mark is `<!-- table: NAME -->`, up to `<!-- end -->`.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from device_drivers.registry import DRIVERS
from edge_agent.connection import mermaid
from hub.auth.rights import RIGHTS, Verb
from hub.auth.tokens import Role
from hub.realtime.clients import Close
from hub.realtime.requests import Code
from vitals.events import EVENTS, EventData, message_type
from vitals.parameters import PARAMETERS
from vitals.rooms import RoomKind

DOCS: Final = Path(__file__).parent
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


TABLES: Final[dict[str, Callable[[], str]]] = {
    "events": events,
    "rights": rights,
    "vitals": vitals,
    "close-codes": close_codes,
    "error-codes": error_codes,
    "devices": devices,
    "connection": connection,
}


def filled(text: str) -> str:
    """`text` with every marked table as the code has it. Raises KeyError for a mark without a table."""
    return _MARKED.sub(lambda mark: f"{mark[1]}\n{TABLES[mark['name']]()}\n", text)


def documents() -> list[Path]:
    """The documents that have tables."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _MARKED.search(path.read_text(encoding="utf-8"))]


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
