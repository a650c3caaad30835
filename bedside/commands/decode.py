"""`bedside decode`: what a device's bytes mean. One value as a table or as JSON; a stream or a Bluetooth capture as JSON Lines."""

import argparse
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from bedside.decoding import streams, table
from bedside.decoding.keys import drivers_of, format_named, formats_with
from bedside.decoding.text import bytes_of
from bedside.exits import CommandFailed, Exit
from device_drivers.errors import Malformed, Truncated, Undecodable
from device_drivers.format import AnyFormat
from device_drivers.registry import FORMATS

BLOCK: Final = 64 * 1024
SHOW_PROGRESS_FROM: Final = 4 << 20
"""Bytes of a file from which on its progress is shown."""
_EXAMPLES: Final = """A value that the format must refuse is said with its reason: {"reject": "truncated"} with --json, else one line and exit 1.

examples:
  bedside decode --list oximeter                                formats and who reads them; all without a word
  bedside decode --protocol 2A35 16 7c 00 56 00 61 00 e8 07 06 0f 11 11 1b 33 00 00 00
  bedside decode --protocol nonin-df8 80486220 --json
  bedside decode --protocol bci-5byte --file capture.bin        one JSON object a frame
  bedside decode --protocol nonin-df8 --file /dev/ttyUSB0       live; set the line first: stty -F /dev/ttyUSB0 9600 raw
  bedside decode --btsnoop btsnoop_hci.log                      every value that a phone and its devices said
  bedside decode --btsnoop btsnoop_hci.log --protocol 2A35      blood pressures alone"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "hex", nargs="*", metavar="HEX", help="one value: 167c00, 16 7c 00 or 16:7c:00; with --list, words to look for"
    )
    parser.add_argument(
        "--protocol",
        metavar="KEY",
        help="the format, always needed but for --btsnoop and --list: a key of --list, or 0x2A35",
    )
    sources = parser.add_mutually_exclusive_group()
    sources.add_argument(
        "--file", type=Path, metavar="FILE", help="a recorded stream, or a serial line; - is standard input"
    )
    sources.add_argument("--btsnoop", type=Path, metavar="FILE", help="a Bluetooth capture, of Android or btmon")
    sources.add_argument("--list", action="store_true", help="show every format")
    parser.add_argument("--json", action="store_true", help="JSON: fields of the value, or the list")
    parser.epilog = _EXAMPLES
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit code. Raises CommandFailed."""
    if arguments.list:
        return _list(arguments.hex, as_json=arguments.json)
    if arguments.hex and (arguments.file or arguments.btsnoop):
        raise CommandFailed("give either HEX or a file, not both", Exit.USAGE)
    if arguments.btsnoop:
        return _capture(arguments.btsnoop, format_named(arguments.protocol) if arguments.protocol else None)
    if arguments.protocol is None:
        raise CommandFailed("--protocol KEY is needed; bedside decode --list shows them", Exit.USAGE)
    entry = format_named(arguments.protocol)
    if arguments.hex:
        return _value(entry, bytes_of(arguments.hex), as_json=arguments.json)
    if arguments.file is None and _somebody_types():
        raise CommandFailed("give bytes as HEX, or a stream with --file or on standard input", Exit.USAGE)
    return _stream(entry, arguments.file)


def _list(words: Sequence[str], *, as_json: bool) -> int:
    found = formats_with(words)
    if not as_json:
        print(table.listed(found))
        return Exit.OK
    for entry in found:
        facts = {
            "protocol": entry.key,
            "title": entry.title,
            "drivers": drivers_of(entry),
            "source": entry.source,
            "stream": entry.measure is not None,
            "characteristic": entry.carried_by,
            "unverified": entry.unverified,
        }
        print(json.dumps(facts))
    return Exit.OK


def _value(entry: AnyFormat, data: bytes, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(streams.decoded(entry, data)))
        return Exit.OK
    try:
        entry.decode(data)
    except Undecodable as refusal:
        needed = f"; at least {refusal.needed} are needed" if isinstance(refusal, Truncated) else ""
        raise CommandFailed(f"{entry.key} refuses these {len(data)} bytes: {refusal.reason}{needed}") from refusal
    width = shutil.get_terminal_size((120, 40)).columns
    print("\n\n".join(table.explained(entry, frame, width=width) for frame in streams.frames(entry, data)))
    return Exit.OK


def _stream(entry: AnyFormat, file: Path | None) -> int:
    with _opened(file) as (source, size):
        if entry.measure is not None:
            _print(streams.of_stream(entry, entry.measure, _blocks(source, size)))
            return Exit.OK
        for number, line in enumerate(source, 1):
            _print(_of_line(entry, number, line.decode("ascii", "replace").partition("#")[0].strip()))
            sys.stdout.flush()
    return Exit.OK


def _of_line(entry: AnyFormat, number: int, text: str) -> list[streams.Line]:
    """A format of whole values is read as lines of hexadecimal digits; from # on a line says nothing."""
    try:
        return [streams.decoded(entry, bytes_of([text]))] if text else []
    except CommandFailed as error:
        raise CommandFailed(
            f"{entry.key} is read as lines of hexadecimal digits; line {number}: {error}", Exit.USAGE
        ) from error


def _capture(file: Path, only: AnyFormat | None) -> int:
    with _opened(file) as (source, size):
        try:
            _print(streams.of_capture(FORMATS.values(), _blocks(source, size), only=only))
        except Malformed as error:
            raise CommandFailed(f"{file}: {error.reason.replace('_', ' ')}: is it a btsnoop file?") from error
    return Exit.OK


def _somebody_types() -> bool:
    """Whether standard input is this session's terminal; a serial line is a terminal too, and nobody's."""
    try:
        os.tcgetpgrp(sys.stdin.fileno())
    except (OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _opened(file: Path | None) -> Iterator[tuple[BinaryIO, int]]:
    """The source and its size in bytes, 0 where that isn't known. Raises CommandFailed."""
    if file is None or str(file) == "-":
        yield sys.stdin.buffer, 0
        return
    try:
        with file.open("rb") as source:
            yield source, file.stat().st_size
    except BrokenPipeError:  # whoever reads our lines has had enough of them
        raise
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from error


def _blocks(source: BinaryIO, size: int) -> Iterator[bytes]:
    """The source's bytes as they come; whoever reads our lines has all of them before we wait for more. How far a long file is read is shown
    where somebody looks and the lines go elsewhere."""
    done, shown = 0, size >= SHOW_PROGRESS_FROM and sys.stderr.isatty() and not sys.stdout.isatty()
    read = getattr(source, "read1", source.read)
    while block := read(BLOCK):
        yield block
        done += len(block)
        if shown:
            print(f"\r{100 * done // size:3} % of {size >> 20} MiB", end="", file=sys.stderr, flush=True)
        sys.stdout.flush()
    if shown:
        print(file=sys.stderr)


def _print(lines: Iterable[streams.Line]) -> None:
    for line in lines:
        print(json.dumps(line))
