"""The command line: one table of commands, each in a module of its own that is imported when it is used.

So the gateway's installation needs nothing of the hub's, and the other way round; a missing extra says which to install.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Protocol, cast

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
    "token": "print a token for a development hub",
    "doctor": "check every component and say what to do",
    "config": "show or check a configuration",
    "secrets": "make the passwords and keys of a deployment",
}
_EXTRAS: Final = {"agent": "edge", "simulate": "sim", "up": "hub,edge,sim", "demo": "hub,edge,sim"}
"""The extra that a command needs; `hub` where it isn't here."""
_OURS: Final = frozenset({"bedside", "hub", "edge_agent", "device_drivers", "simulators", "vitals"})
_EPILOG: Final = """exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 a dependency can't be reached, 5 authentication

examples:
  bedside demo                     everything on this machine, with simulated patients' recorded vital signs
  bedside watch                    watch them, in a second terminal
  bedside COMMAND --help           what a command takes

Bedside is a secondary display and notification system. It is not a primary alarm."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    try:
        parsed = _parser(chosen).parse_args(arguments)
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except CommandFailed as failure:
        print(f"bedside: {failure}", file=sys.stderr)
        return failure.code
    except ModuleNotFoundError as missing:
        if not missing.name or missing.name.split(".")[0] in _OURS:
            raise
        extra = _EXTRAS.get(chosen, "hub")
        print(f"bedside: `bedside {chosen}` needs {missing.name}: pip install 'bedside[{extra}]'", file=sys.stderr)
        return Exit.CONFIGURATION
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush at exit
        return Exit.FAILED
    return code


def _parser(chosen: str) -> argparse.ArgumentParser:
    """All commands by name; only the chosen one with its arguments."""
    root = argparse.ArgumentParser(
        prog="bedside",
        description="Bedside measurements, live and on record, to the people who act on them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"bedside {_version()}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for name, text in COMMANDS.items():
        parser = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            cast("Command", importlib.import_module(f"bedside.commands.{name}")).configure(parser)
    return root


def _version() -> str:
    try:
        return version("bedside")
    except PackageNotFoundError:
        return "(not installed)"
