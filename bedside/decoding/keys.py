"""Formats as people name them: by key, by the number or UUID that a tool shows, and by words that are in their names."""

from collections.abc import Sequence
from typing import Final

from bedside.exits import CommandFailed, Exit
from device_drivers.errors import UnknownFormat
from device_drivers.format import AnyFormat
from device_drivers.registry import DRIVERS, FORMATS, wire_format

_UUID_LENGTH: Final = 36


def format_named(name: str) -> AnyFormat:
    """The format of that key, in upper or lower case; `0x2A35` and a characteristic's UUID will do. Raises CommandFailed, which says which were meant."""
    key = name.casefold().removeprefix("0x")
    carried = [entry for entry in FORMATS.values() if entry.carried_by == key]
    if len(key) == _UUID_LENGTH and len(carried) == 1:
        return carried[0]
    try:
        return wire_format(key)
    except UnknownFormat as error:
        if driver := DRIVERS.get(key):
            formats = ", ".join(driver.formats)
            raise CommandFailed(f"{key} is a driver; the formats that it reads are {formats}", Exit.USAGE) from error
        raise CommandFailed(str(error).replace(repr(key), repr(name)), Exit.USAGE) from error


def drivers_of(entry: AnyFormat) -> list[str]:
    """The keys of the drivers that read a format."""
    return [driver.key for driver in DRIVERS.values() if entry.key in driver.formats]


def formats_with(words: Sequence[str]) -> list[AnyFormat]:
    """The formats in whose key, title, drivers or kinds of device every word stands, by key. Raises CommandFailed where there is none."""
    found = [
        entry for entry in FORMATS.values() if all(word.casefold() in _said_of(entry).casefold() for word in words)
    ]
    if not found:
        raise CommandFailed(f"no format has {' and '.join(map(repr, words))} in its name or its devices", Exit.FAILED)
    return sorted(found, key=lambda entry: entry.key.casefold())


def _said_of(entry: AnyFormat) -> str:
    drivers = [DRIVERS[key] for key in drivers_of(entry)]
    devices = [f"{driver.title} {driver.device_type.replace('_', ' ')}" for driver in drivers]
    return " ".join((entry.key, entry.title, *drivers_of(entry), *devices))
