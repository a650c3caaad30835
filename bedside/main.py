"""The command line: one table of commands, each in a module of its own that is imported when it is used.

So the gateway's installation needs nothing of the hub's, and the other way round; a missing extra says which to install.
"""

import argparse
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NoReturn, Protocol, cast

from bedside.exits import CommandFailed, Exit


class Command(Protocol):
    """What a module of `bedside.commands` has. `configure` adds arguments and sets the default `run`."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...


COMMANDS: Final = {
    "demo": "start the whole road with a simulated ward, and say how to watch it",
    "up": "start everything on this machine: Redis, broker, hub, agent, simulated ward",
    "hub": "run the hub",
    "agent": "run a bedside gateway's agent, scan for devices, show its status",
    "simulate": "run a simulated ward's devices",
    "watch": "watch beds live in the terminal",
    "decode": "show what a device's bytes mean: a value, a stream, a Bluetooth capture",
    "encode": "make a device's bytes from their fields; the inverse of decode",
    "token": "print a token for a development hub",
    "doctor": "check every component and say what to do",
    "config": "show or check a configuration",
    "database": "say that the record's database was restored",
    "secrets": "make the passwords and keys of a deployment",
}
_ALL_EXTRAS: Final = frozenset({"demo", "up"})
_EXTRAS: Final = {
    **dict.fromkeys(("aiomqtt", "bleak", "bleak_retry_connector", "serial"), "edge"),
    **dict.fromkeys(("bumble", "dbus_fast"), "sim"),
}
"""The extra that brings a package; `hub` where it isn't here."""
_OURS: Final = frozenset({"hub", "edge_agent", "device_drivers", "simulators", "vitals"})
_EPILOG: Final = """exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 a dependency can't be reached, 5 authentication

examples:
  bedside demo                     everything on this machine, with simulated patients' recorded vital signs
  bedside watch                    watch them, in a second terminal
  bedside COMMAND --help           what a command takes

Bedside is a secondary display and notification system. It is not a primary alarm."""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, keeps the line breaks of its epilog, and takes no shortened options."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Raises SystemExit where argparse ends it (0 after help, 2 for wrong usage)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a terminal's encoding lacks ends no command
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    try:
        return _run(arguments, chosen)
    except CommandFailed as failure:
        print(f"bedside: {failure}", file=sys.stderr)
        return failure.code
    except ModuleNotFoundError as missing:
        print(f"bedside: {_not_installed(chosen, missing)}", file=sys.stderr)
        return Exit.CONFIGURATION
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush at exit
        return Exit.FAILED


def parser(chosen: str) -> Parser:
    """All commands by name; only the chosen one with its arguments."""
    root = Parser(
        prog="bedside",
        description="Bedside measurements, live and on record, to the people who act on them.",
        epilog=_EPILOG,
    )
    root.add_argument("--version", action="version", version=f"bedside {_version()}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == chosen:
            cast("Command", importlib.import_module(f"bedside.commands.{name}")).configure(command)
    return root


def _run(arguments: Sequence[str], chosen: str) -> int:
    if chosen and chosen not in COMMANDS:
        near = difflib.get_close_matches(chosen, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        raise CommandFailed(f"there is no command {chosen!r}; {hint}", Exit.USAGE)
    root = parser(chosen)
    if not arguments:
        root.print_help(sys.stderr)
        return Exit.USAGE
    parsed = root.parse_args(arguments)
    code: int = parsed.run(parsed)
    sys.stdout.flush()
    return code


def _not_installed(chosen: str, missing: ModuleNotFoundError) -> str:
    """What to install for a package that isn't here. Raises `missing` again where it is a fault of ours."""
    package, _, inner = (missing.name or "bedside").partition(".")
    if package == "bedside" or (package in _OURS and inner):
        raise missing
    if package in _OURS:
        return f"`bedside {chosen}` needs the package {package}, which this installation leaves out"
    extra = "hub,edge,sim" if chosen in _ALL_EXTRAS else _EXTRAS.get(package, "hub")
    return f"`bedside {chosen}` needs {package}: pip install 'bedside[{extra}]'"


def _version() -> str:
    try:
        return version("bedside")
    except PackageNotFoundError:
        return "(not installed)"
