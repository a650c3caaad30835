"""The reference of the command line, made from the parsers themselves."""

import argparse
import re
from collections.abc import Iterable
from typing import Final

from bedside.main import COMMANDS, parser

_OF_THIS_MACHINE: Final = re.compile(r" \((%\(default\)s|/[^)]*)\)$")


def commands() -> str:
    """Every command with its options, as the parsers have them."""
    return "\n".join(_command(name, parser(name)) for name in COMMANDS)


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _command(name: str, root: argparse.ArgumentParser) -> str:
    """One command's own parser, found below the root's, and its actions."""
    chosen = _below(root)[name]
    heading = f"## bedside {name}\n\n{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.\n"
    parts = [heading, _options(chosen)]
    for action, inner in _below(chosen).items():
        parts.append(f"### bedside {name} {action}\n\n{inner.description}\n\n{_options(inner)}")
    parts.append(f"```text\n{chosen.epilog}\n```\n" if chosen.epilog else "")
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
    return table(("option", "meaning"), ((f"`{_usage(one)}`", _help(one)) for one in shown)) if shown else ""


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
