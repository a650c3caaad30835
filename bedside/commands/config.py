"""`bedside config show|check`: what a hub or a gateway would be told."""

import argparse
import json
from pathlib import Path

import msgspec

from bedside.configuration import Loaded, load, shown
from bedside.exits import CommandFailed, Exit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example: bedside config check --hub /etc/bedside/hub.toml\nevery key: docs/reference/configuration.md"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, text, run in (
        ("show", "every key, its value and where it came from; secrets are left out", _show),
        ("check", "read it as the hub or the agent would, and say what is wrong", _check),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        which = action.add_mutually_exclusive_group(required=True)
        which.add_argument("--hub", type=Path, metavar="FILE", help="a hub.toml")
        which.add_argument("--gateway", type=Path, metavar="FILE", help="a gateway.toml")
        action.add_argument("--json", action="store_true", help="one JSON object")
        action.set_defaults(run=run)


def _loaded(arguments: argparse.Namespace) -> Loaded[msgspec.Struct]:
    if arguments.hub is not None:
        from hub.settings import HubSettings  # noqa: PLC0415 - a gateway has no hub

        return load(HubSettings, file=arguments.hub)
    from bedside.gateway import load_gateway  # noqa: PLC0415 - a hub has no agent

    return load_gateway(arguments.gateway)


def _show(arguments: argparse.Namespace) -> int:
    loaded = _loaded(arguments)
    values = shown(loaded.settings)
    if arguments.json:
        rows = {key: {"value": value, "from": loaded.origins.get(key, "default")} for key, value in values.items()}
        print(json.dumps(rows, default=str))
        return Exit.OK
    for key, value in values.items():
        print(f"{key:44} {value!s:44} {loaded.origins.get(key, 'default')}")
    return Exit.OK


def _check(arguments: argparse.Namespace) -> int:
    _loaded(arguments)
    if arguments.hub is not None:
        _check_hub_files(arguments.hub)
    print(json.dumps({"ok": True}) if arguments.json else "ok")
    return Exit.OK


def _check_hub_files(path: Path) -> None:
    """What the hub reads beside its settings: rules and registry."""
    from hub.alerts.rules import load_rules  # noqa: PLC0415 - a gateway has no hub
    from hub.errors import ConfigurationError  # noqa: PLC0415
    from hub.registry_file import load_registry  # noqa: PLC0415
    from hub.settings import HubSettings  # noqa: PLC0415

    settings = load(HubSettings, file=path).settings
    try:
        load_rules(settings.rules_file)
        if settings.registry_file is not None:
            load_registry(settings.registry_file)
    except ConfigurationError as error:
        raise CommandFailed(str(error), Exit.CONFIGURATION) from error
