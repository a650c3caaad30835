"""`bedside encode`: a device's bytes from their fields, as hexadecimal digits or as they are."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from bedside.decoding.keys import format_named
from bedside.exits import CommandFailed, Exit
from device_drivers.fields import Json
from device_drivers.format import AnyFormat

_NOT_FIELDS: Final = frozenset({"offset", "at", "connection", "from", "how", "handle", "characteristic"})
"""What `bedside decode` says beside the fields of a frame, and the key as `protocol` (which is some devices' own field)."""
_EXAMPLES: Final = """FIELDS is what `bedside decode --json` says, or name=value pairs; without it each line of standard input is such an object.

examples:
  bedside encode --protocol nonin-df8 hr=72 spo2=98 smartpoint=true
  bedside encode --protocol 2A35 '{"systolic": 120, "diastolic": 80, "map": "NaN", "unit": "mmHg"}'
  bedside decode --protocol nonin-df8 --file a.bin | bedside encode --protocol nonin-df8 --raw > b.bin"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fields", nargs="*", metavar="FIELDS", help="one JSON object, or name=value pairs")
    parser.add_argument("--protocol", required=True, metavar="KEY", help="the format: a key of bedside decode --list")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help='{"hex": "…"}')
    form.add_argument("--raw", action="store_true", help="the bytes themselves")
    parser.epilog = _EXAMPLES
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit code. Raises CommandFailed."""
    entry = format_named(arguments.protocol)
    for given in _given(arguments.fields):
        fields = {name: value for name, value in given.items() if (name, value) != ("protocol", entry.key)}
        data = encoded(entry, fields)
        if arguments.raw:
            sys.stdout.buffer.write(data)
        else:
            print(json.dumps({"hex": data.hex()}) if arguments.json else data.hex())
    return Exit.OK


def encoded(entry: AnyFormat, fields: dict[str, Json]) -> bytes:
    """The bytes that say these fields. Raises CommandFailed, which names the field or what can't be said."""
    try:
        return entry.encoded(entry.message_from(fields))
    except (ValueError, OverflowError) as error:
        raise CommandFailed(f"{entry.key}: {error}", Exit.USAGE) from error


def _given(words: Sequence[str]) -> Iterator[dict[str, Json]]:
    if not words:
        if sys.stdin.isatty():
            raise CommandFailed("give the fields as JSON or as name=value, or JSON Lines on standard input", Exit.USAGE)
        yield from (fields for line in sys.stdin if line.strip() and (fields := _object(line)))
    elif words[0].lstrip().startswith("{"):
        yield _object(" ".join(words))
    else:
        yield dict(_pair(word) for word in words)


def _object(text: str) -> dict[str, Json]:
    """The fields of one object; none where a line of `bedside decode` says that bytes were no frame."""
    found = _json(text)
    if not isinstance(found, dict):
        raise CommandFailed("the fields are one JSON object", Exit.USAGE)
    if "discarded" in found or "reject" in found:
        return {}
    return {name: value for name, value in found.items() if name not in _NOT_FIELDS}


def _pair(word: str) -> tuple[str, Json]:
    name, equals, text = word.partition("=")
    if not equals:
        raise CommandFailed(f"{word!r} is no name=value", Exit.USAGE)
    try:
        return name, _json(text)
    except CommandFailed:
        return name, text  # a word, which JSON would want in quotes


def _json(text: str) -> Json:
    try:
        found: Json = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise CommandFailed(f"that is no JSON: {error}", Exit.USAGE) from error
    return found
