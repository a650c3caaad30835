"""`bedside config show|check`: what a hub or a gateway would be told."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedside.configuration import Loaded, load, shown
from bedside.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from edge_agent.settings import GatewaySettings
    from hub.settings import HubSettings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n  bedside config check --hub /etc/bedside/hub.toml\n"
        "  bedside config show --gateway /etc/bedside/gateway.toml\n"
        "every key: docs/reference/configuration.md and docs/reference/gateway-configuration.md"
    )
    actions = parser.add_subparsers(title="actions", required=True)
    for name, text, run in (
        ("show", "every key, its value and where it came from; passwords are left out", _show),
        ("check", "read it as the hub or the agent would, and say what is wrong", _check),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        which = action.add_mutually_exclusive_group(required=True)
        which.add_argument("--hub", type=Path, metavar="FILE", help="a hub.toml")
        which.add_argument("--gateway", type=Path, metavar="FILE", help="a gateway.toml")
        action.add_argument("--json", action="store_true", help="one JSON object")
        action.set_defaults(run=run)


def _show(arguments: argparse.Namespace) -> int:
    loaded = _hub(arguments.hub) if arguments.hub is not None else _gateway(arguments.gateway)
    values = shown(loaded.settings)
    if arguments.json:
        rows = {key: {"value": value, "from": loaded.origins.get(key, "default")} for key, value in values.items()}
        print(json.dumps(rows, default=str))
        return Exit.OK
    texts = {key: _text(value) for key, value in values.items()}
    keys, widest = max(map(len, texts)), max(map(len, texts.values()))
    for key, text in texts.items():
        print(f"{key:{keys}}  {text:{widest}}  {loaded.origins.get(key, 'default')}")
    return Exit.OK


def _check(arguments: argparse.Namespace) -> int:
    problems = _problems(arguments)
    if arguments.json:
        print(json.dumps({"ok": not problems, "problems": problems}))
    else:
        print("\n".join(problems) or "ok", file=sys.stderr if problems else sys.stdout)
    return Exit.CONFIGURATION if problems else Exit.OK


def _problems(arguments: argparse.Namespace) -> list[str]:
    """Everything that is wrong; where the file can't be read as settings, the first thing that keeps it from it."""
    try:
        found = _gateway_faults(arguments.gateway) if arguments.hub is None else _hub_faults(arguments.hub)
    except CommandFailed as failure:
        return [str(failure)]
    return [f"{arguments.hub or arguments.gateway}: {fault}" for fault in found]


def _hub_faults(file: Path) -> tuple[str, ...]:
    from bedside.hub_configuration import faults  # noqa: PLC0415 - a gateway has no hub

    return faults(_hub(file).settings)


def _gateway_faults(file: Path) -> tuple[str, ...]:
    from bedside.gateway import faults  # noqa: PLC0415 - a hub has no agent

    return faults(_gateway(file).settings)


def _hub(file: Path) -> "Loaded[HubSettings]":
    from hub.settings import HubSettings  # noqa: PLC0415 - a gateway has no hub

    return load(HubSettings, file=file)


def _gateway(file: Path) -> "Loaded[GatewaySettings]":
    from bedside.gateway import load_gateway  # noqa: PLC0415 - a hub has no agent

    return load_gateway(file)


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a setting holds
    """As the file would have it, as far as it fits a line."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
