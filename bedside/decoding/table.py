"""One frame as people read it: each byte, what it is called and what it says here."""

import textwrap
from collections.abc import Iterator
from typing import Final

from bedside.decoding.keys import drivers_of
from bedside.decoding.text import spaced
from device_drivers.format import AnyFormat, Part

_BYTES_A_LINE: Final = 8
_NAME_WIDTH: Final = 22
_HEAD: Final = f"{'byte':>7}  {'hex':23}  {'name':{_NAME_WIDTH}}  meaning"


def explained(entry: AnyFormat, data: bytes, *, width: int) -> str:
    """A table of the bytes of a frame that `entry` decodes, and what must be known of its format."""
    lines = [f"{entry.key}: {entry.title}, {len(data)} bytes", f"source: {entry.source}", "", _HEAD]
    for part in entry.describe(data):
        lines += _rows(part, width)
    if entry.unverified:
        lines += ["", "nobody has verified on a device: " + "; ".join(entry.unverified)]
    return "\n".join(lines)


def _rows(part: Part, width: int) -> Iterator[str]:
    """A part's lines: long ones go on below each other."""
    last = part.offset + len(part.data) - 1
    where = str(part.offset) if last == part.offset else f"{part.offset}-{last}"
    room = max(30, width - len(_HEAD) + len("meaning"))
    meanings = textwrap.wrap(part.meaning, room) or [""]
    hexes = [spaced(part.data[at : at + _BYTES_A_LINE]) for at in range(0, len(part.data), _BYTES_A_LINE)]
    names = textwrap.wrap(part.name, _NAME_WIDTH) or [""]
    for line in range(max(len(meanings), len(hexes), len(names))):
        cells = [texts[line] if line < len(texts) else "" for texts in ([where], hexes, names, meanings)]
        yield f"{cells[0]:>7}  {cells[1]:23}  {cells[2]:{_NAME_WIDTH}}  {cells[3]}".rstrip()


def listed(formats: list[AnyFormat]) -> str:
    """One format a line, with the drivers that read it."""
    width = max(len(entry.key) for entry in formats)
    lines = []
    for entry in formats:
        drivers = ", ".join(drivers_of(entry))
        lines.append(f"{entry.key:{width}}  {entry.title}{f'  [{drivers}]' if drivers else ''}")
    return "\n".join(lines)
